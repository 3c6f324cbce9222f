"""Identification: how well recipients can match two codes or pictures of one person."""

import dataclasses
import math

import numpy as np
from sklearn.covariance import ledoit_wolf

from conceal_jax.audit.statistics import Estimate, clopper_pearson

MIN_PEOPLE = 20
"""People with two photos that the matcher needs in the training part, and in the test part."""

_SIDE = 16
_COMPONENTS = 200


@dataclasses.dataclass(frozen=True)
class Identification:
    """How often a photo is matched to another photo of the same person.

    Attributes:
        rate: rank-1 rate: how often that photo is the nearest of all candidates.
        people: candidates N, one photo of each person.
        chance: 1 / N.
    """

    rate: Estimate
    people: int
    chance: float


def identification(
    train_inputs: np.ndarray, train_people: np.ndarray, test_inputs: np.ndarray, test_people: np.ndarray, *, seed: int
) -> Identification | None:
    """Rank-1 rate with which codes or pictures of held-out people match another one of the same person, among N.

    The matcher learns from the training people how photos of one person differ, and scales these differences away
    (within-class covariance normalisation, Hatch, Kajarekar and Stolcke 2006, with Ledoit and Wolf's shrinkage), and
    takes the candidate at the smallest angle. It uses 200 principal components at most; of pictures, those of the
    middle, averaged down to 16 x 16 at most.

    Of each test person with two or more photos, a random one is the query and another a candidate.

    It is a linear matcher, a lower bound on what a face recogniser could do.

    Args:
        train_inputs, test_inputs: codes float [N, L], or pictures uint8 [N, S, S, 3].
        train_people, test_people: [N] person on each photo: numbers or texts. Duplicates of one photo would count as
            matched.
        seed: of the choice of photos.

    Returns:
        None where fewer than `MIN_PEOPLE` of the training or of the test people have two photos.

    Raises:
        ValueError: lengths differ, or a person is in both parts.
    """
    _require_strangers(train_inputs, train_people, test_inputs, test_people)
    pairs = _pairs(test_people, seed)
    learnable = np.unique(train_people, return_counts=True)[1] >= 2
    if min(len(pairs), learnable.sum()) < MIN_PEOPLE:
        return None
    train, test = _features(train_inputs), _features(test_inputs)
    mean, projection = _matcher(train, train_people)
    directions = (test - mean) @ projection
    directions /= np.maximum(np.linalg.norm(directions, axis=1, keepdims=True), 1e-12)
    nearest = (directions[pairs[:, 0]] @ directions[pairs[:, 1]].T).argmax(axis=1)
    people = len(pairs)
    hits = np.asarray(np.sum(nearest == np.arange(people)))
    low, high = clopper_pearson(hits, np.asarray(people))
    return Identification(Estimate(float(hits / people), (float(low), float(high))), people, 1 / people)


def _require_strangers(
    train_inputs: np.ndarray, train_people: np.ndarray, test_inputs: np.ndarray, test_people: np.ndarray
) -> None:
    for part, inputs, people in (("train", train_inputs, train_people), ("test", test_inputs, test_people)):
        if len(inputs) != len(people):
            raise ValueError(f"got {len(inputs)} {part} codes or pictures of {len(people)} people; give one for each")
    if len(both := np.intersect1d(train_people, test_people)):
        raise ValueError(f"{len(both)} people are in train and in test, such as {both[0]}; put each in one part")


def _pairs(people: np.ndarray, seed: int) -> np.ndarray:
    """int [M, 2]: two random photos of each person with two or more."""
    order = np.random.default_rng(seed).permutation(len(people))
    _, person = np.unique(people, return_inverse=True)
    ordered = order[np.argsort(person[order], kind="stable")]
    start = np.flatnonzero(np.diff(person[ordered], prepend=-1))
    start = start[np.diff(start, append=len(people)) >= 2]
    return np.stack([ordered[start], ordered[start + 1]], axis=1)


def _features(inputs: np.ndarray) -> np.ndarray:
    """float64 [N, F]: codes as they are; of pictures the middle three quarters, averaged down to 16 x 16 at most."""
    if inputs.ndim == 2:
        return inputs.astype(np.float64)
    margin = inputs.shape[1] // 8
    block = math.ceil((inputs.shape[1] - 2 * margin) / _SIDE)
    side = (inputs.shape[1] - 2 * margin) // block
    middle = slice(margin, margin + side * block)
    cropped = inputs[:, middle, middle]
    means = cropped.reshape(len(inputs), side, block, side, block, 3).mean(axis=(2, 4), dtype=np.float32)
    return means.reshape(len(inputs), -1).astype(np.float64)


def _matcher(features: np.ndarray, people: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean [F] and projection [F, D] after which photos of one person differ by the same in every direction."""
    mean = features.mean(axis=0)
    variances, axes = np.linalg.eigh((features - mean).T @ (features - mean) / len(features))
    # Directions in which nothing varies have no scale.
    useful = np.flatnonzero(variances > 1e-9 * variances[-1])[-_COMPONENTS:]
    whitening = axes[:, useful] / np.sqrt(variances[useful])
    within, _ = ledoit_wolf(_deviations((features - mean) @ whitening, people), assume_centered=True)
    scales, rotation = np.linalg.eigh(within)
    # Copies of one photo do not differ at all.
    return mean, whitening @ rotation / np.sqrt(np.maximum(scales, 1e-9))


def _deviations(features: np.ndarray, people: np.ndarray) -> np.ndarray:
    """float64 [M, F]: photos of people with two or more minus their person's mean.

    They are scaled so that their covariance is the mean of the people's own, unbiased ones: a person with hundreds of
    photos does not dominate.
    """
    _, person, counts = np.unique(people, return_inverse=True, return_counts=True)
    means = np.zeros((len(counts), features.shape[1]))
    np.add.at(means, person, features)
    means /= counts[:, None]
    several = counts[person] >= 2
    weights = several.sum() / np.sum(counts >= 2) / (counts[person][several] - 1)
    return (features - means[person])[several] * np.sqrt(weights)[:, None]
