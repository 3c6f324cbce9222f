"""The targets that attackers predict: classes (audit groups) and values, with missing labels masked."""

import collections
import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from conceal_jax.attributes import MISSING_CLASS, AttributeSet, Categorical

MIN_TRAIN_EXAMPLES = 40
MIN_TEST_EXAMPLES = 10
VALUE_SUFFIX = ":value"


@dataclasses.dataclass(frozen=True)
class Target:
    """The labels of one target.

    Attributes:
        labels: int32 [N] classes with `MISSING_CLASS` where unknown, or float32 [N] values with NaN where unknown.
        class_count: number of classes; 0 for a value.
    """

    labels: np.ndarray
    class_count: int

    @property
    def known(self) -> np.ndarray:
        """bool [N]: which labels are known."""
        return self.labels != MISSING_CLASS if self.class_count else ~np.isnan(self.labels)

    def take(self, indices: np.ndarray) -> "Target":
        """The target for some of the examples."""
        return dataclasses.replace(self, labels=self.labels[indices])


Targets = Mapping[str, Target]
"""Targets by name: an attribute's own name for its classes, `value_of(name)` for its value."""


def value_of(name: str) -> str:
    """The name of the target that is the value of a continuous attribute."""
    return name + VALUE_SUFFIX


def targets_of(attributes: AttributeSet, labels: Mapping[str, np.ndarray]) -> dict[str, Target]:
    """The targets of every attribute.

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


def joint_targets(
    train: Targets, test: Targets, names: Sequence[str]
) -> tuple[Target, Target, tuple[tuple[int, ...], ...]]:
    """Several attributes as one target, whose classes are the conjunctions with enough people.

    Args:
        train, test: hold class targets of these names.

    Returns:
        The joint target of the train and of the test people, missing where a label is unknown or the conjunction has
        too few of them; and the classes of each conjunction, in the order of `names`.
    """
    train_classes, test_classes = (np.stack([part[name].labels for name in names], axis=1) for part in (train, test))
    counted = _count_rows(train_classes), _count_rows(test_classes)
    conjunctions = tuple(
        sorted(
            row
            for row, count in counted[0].items()
            if count >= MIN_TRAIN_EXAMPLES and counted[1].get(row, 0) >= MIN_TEST_EXAMPLES
        )
    )
    index = {row: number for number, row in enumerate(conjunctions)}

    def numbered(classes: np.ndarray) -> Target:
        labels = [index.get(tuple(row), MISSING_CLASS) for row in classes.tolist()]
        return Target(np.array(labels, np.int32), len(conjunctions))

    return numbered(train_classes), numbered(test_classes), conjunctions


def _count_rows(classes: np.ndarray) -> dict[tuple[int, ...], int]:
    """How often each row without a missing class occurs."""
    known = classes[(classes != MISSING_CLASS).all(axis=1)]
    return dict(collections.Counter(map(tuple, known.tolist())))


def require_readable(train: Targets, test: Targets) -> None:
    """Refuses targets that cannot be read from these examples.

    Raises:
        ValueError: too few known labels, or known labels all of one class (or all the same value), in the training or
            the test part; the message states the counts.
    """
    reasons = unreadable(train, test)
    if reasons:
        name, reason = next(iter(reasons.items()))
        raise ValueError(f"{name}: {reason}")


def unreadable(train: Targets, test: Targets) -> dict[str, str]:
    """By target, why it cannot be read from these examples."""
    reasons: dict[str, str] = {}
    for part, targets, least in (("train", train, MIN_TRAIN_EXAMPLES), ("test", test, MIN_TEST_EXAMPLES)):
        for name, target in targets.items():
            known = target.labels[target.known]
            if len(known) < least:
                reason = f"got {len(known)} labelled {part} examples; an attacker's figure needs at least {least}"
            elif len(np.unique(known)) < 2:
                reason = (
                    f"all {len(known)} labelled {part} examples have the same label ({known[0]:g}); "
                    "give examples that differ in it, or leave the attribute out"
                )
            else:
                continue
            reasons.setdefault(name, reason)
    return reasons
