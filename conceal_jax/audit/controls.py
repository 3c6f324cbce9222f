"""Controls: targets with a known answer, which attackers read in every audit."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from conceal_jax.audit.statistics import Estimate, widened
from conceal_jax.audit.targets import Target

PLANTED = "control:planted"
SHUFFLED = "control:shuffled"

FLIPPED = 0.3
"""Share of the planted labels that are flipped."""
TOLERANCE = 0.05
"""How far below the Bayes accuracy the attackers may stay before their figures are distrusted."""

CAUTION = 1.4
"""How much wider limits are at 99.9 % confidence than at 95 % (for a suite of about ten): with several controls in
every audit, one false alarm in twenty would be too many."""

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


@dataclasses.dataclass(frozen=True)
class Verdict:
    """Whether a control passed.

    Attributes:
        name: `PLANTED` or `SHUFFLED`.
        passed: whether it did.
        words: a sentence for the report.
    """

    name: str
    passed: bool
    words: str


def planted(train: np.ndarray, test: np.ndarray, seed: int) -> tuple[Target, Target]:
    """The positive control: a binary label that the inputs reveal, with a known Bayes accuracy (`planted_accuracy`).

    The label is whether a scalar lies above its median: for codes, the projection of the standardised code on a random
    direction; for pictures, the mean brightness. Ties at the median go where they leave the labels more balanced. A
    random share FLIPPED of the labels is then flipped. Scale, direction and median are those of the
    training people, for both parts.

    Args:
        train, test: codes float [N, L], or pictures uint8 [N, S, S, 3].
        seed: of the direction and of the flips.

    Returns:
        The targets of the training and of the test people; no label is missing.

    Raises:
        ValueError: there are no training people.
    """
    if not len(train):
        raise ValueError("got no training people; a control needs them to be planted")
    direction_seed, *flip_seeds = np.random.SeedSequence(seed).spawn(3)
    if train.ndim == 4:
        scalars = [_brightness(part) for part in (train, test)]
    else:
        mean, deviation = train.mean(axis=0), train.std(axis=0)
        # A dimension that never varies has no scale.
        direction = np.random.default_rng(direction_seed).normal(size=train.shape[1]) / np.where(
            deviation, deviation, 1
        )
        scalars = [(part - mean) @ direction for part in (train, test)]
    median = np.median(scalars[0])
    # Many are at the median where there are few codes.
    beyond = min((np.greater, np.greater_equal), key=lambda each: abs(each(scalars[0], median).mean() - 0.5))
    above = [beyond(part, median) for part in scalars]
    return _flipped(above[0], flip_seeds[0]), _flipped(above[1], flip_seeds[1])


def shuffled(target: Target, seed: int) -> Target:
    """The negative control: the known labels of a target in random order; the missing stay missing."""
    known = np.flatnonzero(target.known)
    labels = target.labels.copy()
    labels[known] = labels[np.random.default_rng(seed).permutation(known)]
    return dataclasses.replace(target, labels=labels)


def planted_accuracy(support: Sequence[int]) -> float:
    """Bayes' balanced accuracy on the planted labels: 1 - FLIPPED, or less where the labels are not halves.

    Args:
        support: people of either label, after the flips.
    """
    shares = np.array(support) / sum(support)
    before = np.clip((shares - FLIPPED) / (1 - 2 * FLIPPED), 0, 1)
    return float(np.mean((1 - FLIPPED) * before / np.maximum(shares, 1e-9)))


def judge_planted(best: Estimate, support: Sequence[int]) -> Verdict:
    """Whether the attackers find a planted leak.

    Args:
        best: balanced accuracy of the best attacker on `PLANTED`.
        support: people of either label.
    """
    bayes = planted_accuracy(support)
    passed = best.value >= bayes - TOLERANCE
    found = f"a planted leak of a label, readable at {bayes:.2f}, was read at {_figure(best)}"
    if passed:
        return Verdict(PLANTED, True, f"passed: {found}")
    return Verdict(
        PLANTED, False, f"failed: {found}; the attackers miss a leak, often for want of people: trust no figure"
    )


def judge_shuffled(best: Estimate, chance: float = 0.5) -> Verdict:
    """Whether the attackers read shuffled labels at chance.

    Args:
        best: balanced accuracy of the best attacker on `SHUFFLED`, with an interval that allows for their number.
        chance: 1 / number of classes.
    """
    low, high = widened(best, CAUTION).ci95
    passed = low <= chance <= high
    found = f"shuffled labels, which nothing reveals, were read at {_figure(best)} (chance {chance:.2f})"
    if passed:
        return Verdict(SHUFFLED, True, f"passed: {found}")
    return Verdict(
        SHUFFLED,
        False,
        f"failed: {found}; one audit in a thousand shows this by chance: repeat it with another seed, and if it stays, "
        "people are in both parts of the split",
    )


def _brightness(pictures: np.ndarray) -> np.ndarray:
    return pictures.mean(axis=(1, 2), dtype=np.float32) @ _LUMA


def _flipped(labels: np.ndarray, seed: np.random.SeedSequence) -> Target:
    flips = np.random.default_rng(seed).random(len(labels)) < FLIPPED
    return Target((labels ^ flips).astype(np.int32), 2)


def _figure(estimate: Estimate) -> str:
    low, high = estimate.ci95
    return f"{estimate.value:.3f} ({low:.3f} to {high:.3f})"
