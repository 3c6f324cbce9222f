"""Linear attacker: multinomial logistic regression for classes, ridge regression for values."""

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
from scipy.optimize import minimize
from sklearn.linear_model import Ridge

from conceal_jax.audit.attackers.selection import all_classes, answerable, balanced_weights, loss
from conceal_jax.audit.attackers.whitening import Whitening
from conceal_jax.audit.examples import Examples
from conceal_jax.audit.targets import Target

TOLERANCE = {"gtol": 1e-4, "ftol": 1e-8, "maxiter": 500}
STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)


@dataclasses.dataclass(frozen=True, eq=False)
class LinearModel:
    """Predicts `inputs @ weights + bias`.

    Attributes:
        weights: float [L, classes], or [L] for a value.
        bias: float [classes], minus infinity for a class without examples, or a scalar.
    """

    weights: np.ndarray
    bias: np.ndarray

    def predict(self, inputs: np.ndarray) -> np.ndarray:
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
    """Solutions by L-BFGS, each started at the one before.

    Not scikit-learn's class, which takes ten times as long with many classes.
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

    def fit(self, train: Examples, validation: Examples) -> "LinearAttacker":
        """Fits `train`; each target's penalty is tuned on `validation`."""
        self._scaler = Whitening().fit(train.inputs)
        train_inputs, validation_inputs = (
            self._scaler.transform(train.inputs),
            self._scaler.transform(validation.inputs),
        )
        self._models = {}
        for name in answerable(train, validation):
            models = linear_models(train_inputs, train.targets[name], STRENGTHS)
            self._models[name] = min(
                models, key=lambda model: loss(model.predict(validation_inputs), validation.targets[name])
            )
        return self

    def predict(self, inputs: np.ndarray) -> dict[str, np.ndarray]:
        """By target: scores [N, classes], or values [N]."""
        whitened = self._scaler.transform(inputs)
        return {name: model.predict(whitened) for name, model in self._models.items()}
