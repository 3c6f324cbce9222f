"""The protocol: attackers learn from the people of one split and are judged on people they never saw."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping

import numpy as np

from conceal_jax.attributes import Attribute, AttributeSet, Categorical
from conceal_jax.audit import statistics
from conceal_jax.audit.attackers import LinearAttacker, MlpAttacker
from conceal_jax.audit.cnn import PictureReader, require_pictures
from conceal_jax.audit.floors import Floor, floors
from conceal_jax.audit.statistics import Estimate
from conceal_jax.audit.targets import Target, Targets, require_readable, targets_of, value_of

__all__ = ["Figures", "Floor", "Reading", "asked_for", "floors", "judge", "read_codes", "read_pictures"]

Labels = Mapping[str, np.ndarray]
Progress = Callable[[str], None]
Predictions = Mapping[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Figures:
    """How well one attacker reads one attribute.

    Attributes:
        attacker: its name.
        metrics: estimates by "balanced_accuracy", "auc", "r2" or "mae" (in the attribute's unit), the decisive first.
    """

    attacker: str
    metrics: dict[str, Estimate]

    @property
    def decisive(self) -> Estimate:
        """The estimate by which attackers are compared: balanced accuracy, or R2; more is a better attacker."""
        return next(iter(self.metrics.values()))


@dataclasses.dataclass(frozen=True)
class Reading:
    """How well one attribute is read, by each attacker.

    Attributes:
        attackers: their figures.
        support: labelled test examples of each class, or their number where a value is read.
    """

    attackers: tuple[Figures, ...]
    support: tuple[int, ...]

    @property
    def best(self) -> Figures:
        """The attacker with the highest decisive figure."""
        return max(self.attackers, key=lambda figures: figures.decisive.value)


def read_codes(
    train_codes: np.ndarray,
    train_labels: Labels,
    test_codes: np.ndarray,
    test_labels: Labels,
    attributes: AttributeSet,
    *,
    seed: int = 0,
    progress: Progress = lambda line: None,
) -> dict[str, Reading]:
    """What a linear attacker and an MLP read from codes float [N, L], by attribute (concealed and kept).

    Raises:
        ValueError: codes that are not finite numbers [N, L], lengths that differ, one class only, too few examples.
    """
    require_codes(train_codes, "train")
    require_codes(test_codes, "test")
    train = _questions(train_codes, train_labels, attributes)
    test = _questions(test_codes, test_labels, attributes)
    require_readable(train, test)
    figures = []
    for attacker in (LinearAttacker(), MlpAttacker(seed)):
        progress(f"{attacker.name} on codes of {train_codes.shape[1]} numbers: {len(train_codes)} people")
        predictions = attacker.fit(train_codes, train).predict(test_codes)
        figures.append(judge(attacker.name, predictions, test, attributes.all))
    return _readings(figures, test)


def read_pictures(
    train_pictures: np.ndarray,
    train_labels: Labels,
    test_pictures: np.ndarray,
    test_labels: Labels,
    attributes: AttributeSet,
    *,
    epochs: int = 8,
    flip: bool = True,
    seed: int = 0,
    progress: Progress = lambda line: None,
) -> tuple[dict[str, Reading], PictureReader]:
    """What attackers read from pictures uint8 [N, S, S, 3], by attribute; and the trained CNN, to be used again.

    Args:
        epochs, flip: of the CNN; `flip` mirrors training pictures, for attributes that a mirror leaves as they are.

    Raises:
        ValueError: pictures of another form, lengths that differ, one class only, too few examples.
    """
    require_pictures(train_pictures)
    require_pictures(test_pictures)
    train = _questions(train_pictures, train_labels, attributes)
    test = _questions(test_pictures, test_labels, attributes)
    require_readable(train, test)
    reader = PictureReader(epochs, flip, seed, progress).fit(train_pictures, train)
    figures = [judge(reader.name, reader.predict(test_pictures), test, attributes.all)]
    return _readings(figures, test), reader


def asked_for(
    reader: PictureReader, pictures: np.ndarray, asked: Labels, attributes: AttributeSet
) -> dict[str, Reading]:
    """Agreement of `reader` (trained on originals) with the labels that `pictures` were decoded for.

    Args:
        reader: asked about the same attributes when it was trained.
        pictures: uint8 [N, S, S, 3].
        asked: by the name of a concealed attribute, the label asked for in each picture [N]; missing where none was.

    Raises:
        ValueError: no attribute was asked for, or one that is not concealed; lengths that differ; too few pictures,
            or all asked for the same.
    """
    specs = tuple(spec for spec in attributes.concealed if spec.name in asked)
    if not specs or len(specs) != len(asked):
        names = ", ".join(spec.name for spec in attributes.concealed)
        raise ValueError(f"got labels asked for of {sorted(asked)}; give one or more of the concealed {names}")
    targets = _questions(pictures, asked, AttributeSet(specs))
    require_readable({}, targets)
    return _readings([judge(reader.name, reader.predict(pictures), targets, specs)], targets)


def judge(
    attacker: str, predictions: Predictions, targets: Targets, attributes: Iterable[Attribute]
) -> dict[str, Figures]:
    """An attacker's figures by attribute: its predictions against the known labels."""
    return {spec.name: Figures(attacker, _metrics(spec, predictions, targets)) for spec in attributes}


def _metrics(spec: Attribute, predictions: Predictions, targets: Targets) -> dict[str, Estimate]:
    metrics: dict[str, Estimate] = {}
    if spec.name in targets:
        known = targets[spec.name].known
        labels, scores = targets[spec.name].labels[known], predictions[spec.name][known]
        metrics["balanced_accuracy"] = statistics.balanced_accuracy(labels, scores.argmax(axis=1))
        if scores.shape[1] == 2:
            metrics["auc"] = statistics.auc(labels, scores[:, 1] - scores[:, 0])
    if not isinstance(spec, Categorical):
        target = targets[value_of(spec.name)]
        values, guesses = target.labels[target.known], predictions[value_of(spec.name)][target.known]
        metrics["r2"] = statistics.r2(values, guesses)
        metrics["mae"] = statistics.mean_absolute_error(values, guesses)
    return metrics


def require_codes(codes: np.ndarray, part: str) -> None:
    """Raises ValueError unless `codes` are finite numbers [N, L]."""
    if codes.ndim != 2 or not np.issubdtype(codes.dtype, np.number):
        raise ValueError(f"got {part} codes {codes.dtype} {list(codes.shape)}; give one row of numbers for each person")
    broken = int(np.sum(~np.isfinite(codes).all(axis=1)))
    if broken:
        raise ValueError(
            f"{broken} of {len(codes)} {part} codes hold NaN or infinity; no figure can be given: remove these people "
            "or encode them again"
        )


def _questions(inputs: np.ndarray, labels: Labels, attributes: AttributeSet) -> dict[str, Target]:
    targets = targets_of(attributes, labels)
    count = len(next(iter(targets.values())).labels)
    if len(inputs) != count:
        raise ValueError(f"got {len(inputs)} codes or pictures and {count} labels; give one label for each")
    return targets


def _readings(figures: list[dict[str, Figures]], targets: Targets) -> dict[str, Reading]:
    return {
        name: Reading(tuple(each[name] for each in figures), _support(targets.get(name) or targets[value_of(name)]))
        for name in figures[0]
    }


def _support(target: Target) -> tuple[int, ...]:
    if not target.class_count:
        return (int(target.known.sum()),)
    return tuple(np.bincount(target.labels[target.known], minlength=target.class_count).tolist())
