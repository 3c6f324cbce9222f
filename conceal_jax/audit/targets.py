"""What attackers are asked to read: classes (audit groups) and values, with missing labels masked."""

import dataclasses
from collections.abc import Mapping

import numpy as np

from conceal_jax.attributes import MISSING_CLASS, AttributeSet, Categorical

MIN_TRAIN_EXAMPLES = 40
MIN_TEST_EXAMPLES = 10


@dataclasses.dataclass(frozen=True)
class Target:
    """The labels of one question put to an attacker.

    Attributes:
        labels: int32 [N] classes with `MISSING_CLASS` where unknown, or float32 [N] values with NaN where unknown.
        class_count: number of classes; 0 when a value is asked for.
    """

    labels: np.ndarray
    class_count: int

    @property
    def known(self) -> np.ndarray:
        """bool [N]: which labels are known."""
        return self.labels != MISSING_CLASS if self.class_count else ~np.isnan(self.labels)

    def take(self, indices: np.ndarray) -> "Target":
        """The same question about some of the examples."""
        return dataclasses.replace(self, labels=self.labels[indices])


Targets = Mapping[str, Target]
"""Questions by name: an attribute's own name for its classes, `value_of(name)` for its value."""


def value_of(name: str) -> str:
    """Under which name the value of a continuous attribute is asked for."""
    return f"{name}:value"


def targets_of(attributes: AttributeSet, labels: Mapping[str, np.ndarray]) -> dict[str, Target]:
    """The questions about every attribute.

    Concealed attributes are read as their audit groups, and the continuous among them as values too; kept ones as
    classes if categorical, else as values.

    Args:
        attributes: what is concealed and kept.
        labels: int32 or float32 [N] by attribute name, missing as in `conceal_jax.attributes`.

    Raises:
        ValueError: an attribute has no labels, or the lengths differ.
    """
    absent = [spec.name for spec in attributes.all if spec.name not in labels]
    if absent:
        raise ValueError(f"got no labels for {', '.join(absent)}; give one array for each attribute")
    lengths = {spec.name: len(labels[spec.name]) for spec in attributes.all}
    if len(set(lengths.values())) != 1:
        raise ValueError(f"got labels of different lengths {lengths}; give one label for each example")
    targets = {}
    for spec in attributes.all:
        values: np.ndarray = np.asarray(labels[spec.name], spec.dtype)
        if isinstance(spec, Categorical) or spec in attributes.concealed:
            targets[spec.name] = Target(spec.groups(values), len(spec.group_names))
        if not isinstance(spec, Categorical):
            targets[value_of(spec.name)] = Target(values, 0)
    return targets


def require_readable(train: Targets, test: Targets) -> None:
    """Refuses questions that the examples at hand cannot answer.

    Raises:
        ValueError: too few known labels, or known labels all of one class (or all the same value), to learn from or
            to be judged on; the message states the counts.
    """
    for part, targets, least in (("train", train, MIN_TRAIN_EXAMPLES), ("test", test, MIN_TEST_EXAMPLES)):
        for name, target in targets.items():
            known = target.labels[target.known]
            if len(known) < least:
                raise ValueError(
                    f"{name}: got {len(known)} labelled {part} examples; an attacker's figure needs at least {least}"
                )
            if len(np.unique(known)) < 2:
                raise ValueError(
                    f"{name}: all {len(known)} labelled {part} examples have the same label ({known[0]:g}); "
                    "give examples that differ in it, or leave the attribute out"
                )
