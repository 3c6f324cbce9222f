"""What attackers share: class weights, the validation loss, and the choice of hyper-parameters by it."""

from collections.abc import Mapping
from typing import TypeVar

import numpy as np
from scipy.special import log_softmax

from conceal_jax.audit.examples import Examples
from conceal_jax.audit.targets import Target

Candidate = TypeVar("Candidate")


def answerable(learn: Examples, choose: Examples) -> list[str]:
    """Names of the targets that can be learned: with two labels to tell apart, and somebody to choose on."""
    return [name for name, target in learn.targets.items() if _answerable(target, choose.targets[name])]


def _answerable(learn: Target, choose: Target) -> bool:
    learned, judged = np.unique(learn.labels[learn.known]), choose.labels[choose.known]
    return len(learned) > 1 and bool(np.isin(judged, learned).any() if learn.class_count else len(judged))


def balanced_weights(target: Target) -> np.ndarray:
    """float64 [N]: 0 where the label is missing, elsewhere 1 on average and the same sum for every class."""
    known = target.known
    if not target.class_count:
        return known.astype(np.float64)
    labels = np.where(known, target.labels, 0)
    counts = np.bincount(labels[known], minlength=target.class_count)
    return np.where(known, known.sum() / (np.count_nonzero(counts) * np.maximum(counts, 1)[labels]), 0.0)


def loss(answers: np.ndarray, target: Target) -> float:
    """How badly known labels are answered: balanced log loss in nats, or mean squared error.

    People of a class that was never learned (score minus infinity) are not judged: no choice can help them. Infinite
    where nobody is left to judge.

    Args:
        answers: scores float [N, classes], of which the softmax is taken, or values float [N].
    """
    judged = np.flatnonzero(target.known)
    if target.class_count:
        judged = judged[np.isfinite(answers[judged, target.labels[judged]])]
    if not len(judged):
        return np.inf
    if not target.class_count:
        return float(np.mean(np.square(answers[judged] - target.labels[judged])))
    weights = balanced_weights(target.take(judged))
    log_likelihoods = log_softmax(answers[judged], axis=1)[np.arange(len(judged)), target.labels[judged]]
    return float(-np.average(log_likelihoods, weights=weights))


def best(answers: Mapping[Candidate, np.ndarray], target: Target) -> Candidate:
    """The candidate whose answers have the least loss; the first of equals."""
    return min(answers, key=lambda candidate: loss(answers[candidate], target))


def all_classes(scores: np.ndarray, classes: np.ndarray, class_count: int) -> np.ndarray:
    """Scores [N, learned classes] as [N, class_count], minus infinity for the classes that were never learned."""
    complete = np.full((len(scores), class_count), -np.inf)
    complete[:, classes] = scores
    return complete
