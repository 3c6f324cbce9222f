"""Quick attackers on a single photo, its code and its concealed picture, which the page shows as bars.

They are weaker than the audit's: what they cannot read, others may.
"""

import dataclasses

import numpy as np

from conceal_jax.attributes import AttributeSet
from conceal_jax.audit.attackers.calibration import Calibration, calibrate
from conceal_jax.audit.attackers.mlp import MLPAttacker
from conceal_jax.audit.examples import Examples
from conceal_jax.audit.release import Release
from conceal_jax.audit.statistics import balanced_accuracy
from conceal_jax.audit.targets import targets_of
from conceal_jax.audit.vocabulary import SOURCES, Source

_THUMBNAIL = 16
"""Side in pixels of the thumbnails that attackers on pictures read."""

_TEST_ONE_IN, _VALIDATE_ONE_IN = 5, 8
"""One person in so many is held out, for testing and for calibration."""


@dataclasses.dataclass(frozen=True)
class Reader:
    """An attacker on one source.

    Attributes:
        attacker: perceptrons, one for each attribute.
        calibrations: by attribute.
        accuracies: by attribute, balanced accuracy on held-out people.
    """

    attacker: MLPAttacker
    calibrations: dict[str, Calibration]
    accuracies: dict[str, float]

    def read(self, inputs: np.ndarray) -> dict[str, np.ndarray]:
        """By attribute, the probability [N, classes] of each class under equal priors."""
        scores = self.attacker.predict(_features(inputs))
        return {name: np.exp(found.balanced(scores[name])) for name, found in self.calibrations.items()}


@dataclasses.dataclass(frozen=True)
class Readers:
    """Readers of a photo, its code, and its concealed picture.

    Attributes:
        people: number of training people.
        classes: by attribute, the names of its classes or groups.
        by_source: the readers.
    """

    people: int
    classes: dict[str, tuple[str, ...]]
    by_source: dict[Source, Reader]


def fit_readers(release: Release, attributes: AttributeSet, seed: int = 0) -> Readers:
    """Attackers of a run's concealed attributes.

    Args:
        release: people with labels, originals, codes and pictures.
        attributes: what is concealed is read.
        seed: of everything random.
    """
    concealed = dataclasses.replace(attributes, kept=())
    questions = targets_of(concealed, release.labels)
    targets = {spec.name: questions[spec.name] for spec in concealed.concealed}
    readers: dict[Source, Reader] = {}
    for source in SOURCES:
        examples = Examples(_features(release.inputs(source)), targets, people=release.people)
        others, test = examples.split(_TEST_ONE_IN, seed)
        learn, choose = others.split(_VALIDATE_ONE_IN, seed)
        attacker = MLPAttacker(seed=seed).fit(learn, choose)
        scores = attacker.predict(choose.inputs)
        readers[source] = Reader(
            attacker,
            {name: calibrate(scores[name], choose.targets[name], learn.targets[name]) for name in scores},
            _accuracies(attacker, test),
        )
    return Readers(len(learn), {spec.name: spec.group_names for spec in concealed.concealed}, readers)


def _accuracies(attacker: MLPAttacker, test: Examples) -> dict[str, float]:
    scores = attacker.predict(test.inputs)
    known = {name: target.known for name, target in test.targets.items()}
    return {
        name: balanced_accuracy(test.targets[name].labels[known[name]], scores[name][known[name]].argmax(axis=1)).value
        for name in scores
    }


def _features(inputs: np.ndarray) -> np.ndarray:
    """Codes as they are; pictures as thumbnails, float32 [N, 768]."""
    if inputs.ndim == 2:
        return inputs
    count, size = inputs.shape[:2]
    block = size // _THUMBNAIL
    cells = inputs.reshape(count, _THUMBNAIL, block, _THUMBNAIL, block, 3).mean(axis=(2, 4), dtype=np.float32)
    return cells.reshape(count, -1) / np.float32(255)
