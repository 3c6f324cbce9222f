"""Linear attackers, and what every attacker weighs people and chooses its hyper-parameters by."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax
from sklearn.linear_model import Ridge

from conceal_jax.audit.attackers.whitening import Whitening
from conceal_jax.audit.examples import Examples
from conceal_jax.audit.targets import Target

TOLERANCE = {"gtol": 1e-4, "ftol": 1e-8, "maxiter": 500}
Candidate = TypeVar("Candidate")
STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)


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


@dataclasses.dataclass(frozen=True, eq=False)
class LinearModel:
    """Answers `inputs @ weights + bias`.

    Attributes:
        weights: float [L, classes], or [L] for a value.
        bias: float [classes], minus infinity for a class never learned, or a number.
    """

    weights: np.ndarray
    bias: np.ndarray

    def answer(self, inputs: np.ndarray) -> np.ndarray:
        """Scores [N, classes], or values [N], for inputs [N, L]."""
        return inputs @ self.weights + self.bias


def linear_models(inputs: np.ndarray, target: Target, strengths: Sequence[float]) -> Iterator[LinearModel]:
    """A class-balanced multinomial logistic regression, or a ridge regression, for each strength.

    Args:
        inputs: float [N, L], standardised.
        strengths: scikit-learn's C, the inverse of the penalty on the squared weights; best in rising order.
    """
    people = np.flatnonzero(target.known)
    inputs, target = inputs[people], target.take(people)
    if target.class_count:
        yield from _logistic_models(inputs, target, strengths)
    else:
        for strength in strengths:
            ridge = Ridge(alpha=1 / strength).fit(inputs, target.labels)
            yield LinearModel(ridge.coef_, np.asarray(ridge.intercept_))


def _logistic_models(inputs: np.ndarray, target: Target, strengths: Sequence[float]) -> Iterator[LinearModel]:
    """Solutions by L-BFGS, each of which is where the search for the next begins.

    Not scikit-learn's class, which took ten times as long with many classes.
    """
    classes, labels = np.unique(target.labels, return_inverse=True)
    weights = balanced_weights(target) / len(labels)
    inputs, solution = inputs.astype(np.float32), np.zeros((inputs.shape[1] + 1) * len(classes))
    for strength in strengths:
        problem = (inputs, labels, weights, 1 / (strength * len(labels)))
        solution = minimize(_logistic_objective, solution, problem, "L-BFGS-B", jac=True, options=TOLERANCE).x
        *coefficients, intercept = solution.reshape(-1, len(classes))
        complete = np.zeros((inputs.shape[1], target.class_count))
        complete[:, classes] = coefficients
        yield LinearModel(complete, all_classes(intercept[None], classes, target.class_count)[0])


def _logistic_objective(
    solution: np.ndarray, inputs: np.ndarray, labels: np.ndarray, weights: np.ndarray, penalty: float
) -> tuple[float, np.ndarray]:
    """Weighted log loss, and the penalty on all but the intercepts, which come last; and the gradient."""
    people, matrix = np.arange(len(labels)), solution.reshape(inputs.shape[1] + 1, -1)
    logits = inputs @ matrix[:-1].astype(np.float32) + matrix[-1].astype(np.float32)
    logits -= logits.max(axis=1, keepdims=True)
    chosen, likelihoods = logits[people, labels], np.exp(logits, out=logits)
    totals = likelihoods.sum(axis=1, dtype=np.float64)
    value = weights @ (np.log(totals) - chosen) + penalty / 2 * np.sum(np.square(matrix[:-1]))
    likelihoods *= (weights / totals).astype(np.float32)[:, None]
    likelihoods[people, labels] -= weights
    slopes = inputs.T @ likelihoods + penalty * matrix[:-1]
    return float(value), np.concatenate([slopes, likelihoods.sum(axis=0)[None]]).ravel()


class LinearAttacker:
    """Balanced multinomial logistic regression for classes, ridge regression for values, on whitened inputs."""

    name = "linear"

    def fit(self, learn: Examples, choose: Examples) -> "LinearAttacker":
        """Learns on `learn`; each target's penalty is the best on `choose`."""
        self._scaler = Whitening().fit(learn.inputs)
        learned, judged = self._scaler.transform(learn.inputs), self._scaler.transform(choose.inputs)
        self._models = {}
        for name in answerable(learn, choose):
            models = linear_models(learned, learn.targets[name], STRENGTHS)
            self._models[name] = min(models, key=lambda model: loss(model.answer(judged), choose.targets[name]))
        return self

    def predict(self, inputs: np.ndarray) -> dict[str, np.ndarray]:
        """By target: scores [N, classes], or values [N]."""
        whitened = self._scaler.transform(inputs)
        return {name: model.answer(whitened) for name, model in self._models.items()}


class MajorityAttacker:
    """Looks at nothing: guesses the most common class, or the mean value."""

    name = "majority"

    def fit(self, learn: Examples, choose: Examples) -> "MajorityAttacker":
        """Counts the labels of `learn`; there is nothing to choose."""
        self._answers = {name: _constant(learn.targets[name]) for name in answerable(learn, choose)}
        return self

    def predict(self, inputs: np.ndarray) -> dict[str, np.ndarray]:
        """By target: the same scores [N, classes], or the same value [N], for everyone."""
        return {name: np.repeat(answer[None], len(inputs), axis=0) for name, answer in self._answers.items()}


def _constant(target: Target) -> np.ndarray:
    """Log frequencies [classes], minus infinity for a class never seen; or the mean."""
    labels = target.labels[target.known]
    if not target.class_count:
        return np.asarray(labels.mean(dtype=np.float64))
    frequencies = np.bincount(labels, minlength=target.class_count) / len(labels)
    return np.log(frequencies, out=np.full(target.class_count, -np.inf), where=frequencies > 0)
