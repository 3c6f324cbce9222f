"""What attackers share: class weights, the validation loss, and the choice of hyper-parameters by it."""

from collections.abc import Mapping
from typing import TypeVar

import numpy as np
from scipy.special import log_softmax

from conceal_jax.audit.examples import Examples
from conceal_jax.audit.targets import Target

Candidate = TypeVar("Candidate")


def answerable(train: Examples, validation: Examples) -> list[str]:
    """Names of the targets that can be learned: with two training labels that differ, and validation people."""
    return [name for name, target in train.targets.items() if _answerable(target, validation.targets[name])]


def _answerable(train: Target, validation: Target) -> bool:
    learned, rows = np.unique(train.labels[train.known]), validation.labels[validation.known]
    return len(learned) > 1 and bool(np.isin(rows, learned).any() if train.class_count else len(rows))


def balanced_weights(target: Target) -> np.ndarray:
    """float64 [N]: 0 where the label is missing, elsewhere 1 on average and the same sum for every class."""
    known = target.known
    if not target.class_count:
        return known.astype(np.float64)
    labels = np.where(known, target.labels, 0)
    counts = np.bincount(labels[known], minlength=target.class_count)
    return np.where(known, known.sum() / (np.count_nonzero(counts) * np.maximum(counts, 1)[labels]), 0.0)


def loss(predictions: np.ndarray, target: Target) -> float:
    """Validation loss: balanced log loss in nats, or mean squared error, over the known labels.

    People of a class without training examples (score minus infinity) are left out: no choice can help them. Infinite
    where no people are left.

    Args:
        predictions: scores float [N, classes], of which the softmax is taken, or values float [N].
    """
    rows = np.flatnonzero(target.known)
    if target.class_count:
        rows = rows[np.isfinite(predictions[rows, target.labels[rows]])]
    if not len(rows):
        return np.inf
    if not target.class_count:
        return float(np.mean(np.square(predictions[rows] - target.labels[rows])))
    weights = balanced_weights(target.take(rows))
    log_likelihoods = log_softmax(predictions[rows], axis=1)[np.arange(len(rows)), target.labels[rows]]
    return float(-np.average(log_likelihoods, weights=weights))


def best(predictions: Mapping[Candidate, np.ndarray], target: Target) -> Candidate:
    """The candidate with the least validation loss; the first of equals."""
    return min(predictions, key=lambda candidate: loss(predictions[candidate], target))


def all_classes(scores: np.ndarray, classes: np.ndarray, class_count: int) -> np.ndarray:
    """Scores [N, learned classes] as [N, class_count], minus infinity for classes without training examples."""
    complete = np.full((len(scores), class_count), -np.inf)
    complete[:, classes] = scores
    return complete
