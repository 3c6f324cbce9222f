"""Kernel machine attacker: ridge regression on Nystroem features of a Gaussian kernel."""

from collections.abc import Iterator, Sequence

import numpy as np
from scipy import linalg
from sklearn.kernel_approximation import Nystroem
from sklearn.preprocessing import StandardScaler

from conceal_jax.audit.attackers.selection import answerable, best
from conceal_jax.audit.examples import Examples
from conceal_jax.audit.targets import Target

LEAST_RATIO = 1e-3
"""Predicted likelihood ratios are raised to this before their logarithm is taken."""


class KernelAttacker:
    """Kernel ridge regression with a Gaussian kernel (Nystroem features), on likelihood ratios or on values.

    People of class c have the regression target 1 / (share of class c), all others 0: the best prediction for a code z
    is then p(z | c) / p(z), whatever the sizes of the classes. A missing label counts as another class. So the same
    normal equations serve all targets at once.

    Args:
        seed: of the choice of landmarks among the training people.
    """

    name = "kernel"
    landmarks = 800
    widths = (0.1, 0.5, 2.0)
    """The kernel is exp(-width * squared distance / its mean over pairs of people)."""
    penalties = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5)
    """On the squared weights, against the mean squared error."""

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed

    def fit(self, train: Examples, validation: Examples) -> "KernelAttacker":
        """Learns on `train`; each target's kernel width and penalty are tuned on `validation`."""
        self._scaler = StandardScaler().fit(train.inputs)
        self._maps = [self._map(train.inputs, width) for width in self.widths]
        names, solutions, outputs = answerable(train, validation), {}, {}
        regressions = {name: _regression(train.targets[name]) for name in names}
        nothing = np.zeros((len(train), 0), np.float32)
        responses = np.concatenate([nothing, *(columns for columns, _ in regressions.values())], axis=1)
        for index in range(len(self.widths)):
            features, validation_features = (
                self._features(train.inputs, index),
                self._features(validation.inputs, index),
            )
            for penalty, weights in zip(self.penalties, ridge_path(features, responses, self.penalties), strict=True):
                solutions[index, penalty], outputs[index, penalty] = weights, validation_features @ weights
        self._models, start = {}, 0
        for name, (columns, bias) in regressions.items():
            own = slice(start, start := start + columns.shape[1])
            answers = {candidate: _answers(output[:, own], bias) for candidate, output in outputs.items()}
            candidate = best(answers, validation.targets[name])
            self._models[name] = candidate[0], solutions[candidate][:, own], bias
        return self

    def predict(self, inputs: np.ndarray) -> dict[str, np.ndarray]:
        """By target: log likelihood ratios [N, classes], or values [N]."""
        features = {index: self._features(inputs, index) for index in {index for index, *_ in self._models.values()}}
        return {
            name: _answers(features[index] @ weights, bias) for name, (index, weights, bias) in self._models.items()
        }

    def _map(self, inputs: np.ndarray, width: float) -> Nystroem:
        # The mean squared distance of standardised people is twice the number of dimensions that vary.
        gamma = width / (2 * max(1, int(np.count_nonzero(self._scaler.var_))))
        count = min(self.landmarks, len(inputs))
        return Nystroem(gamma=gamma, n_components=count, random_state=self._seed).fit(self._standardise(inputs))

    def _features(self, inputs: np.ndarray, index: int) -> np.ndarray:
        """float32 [N, landmarks + 1]; the last is constant."""
        mapped = self._maps[index].transform(self._standardise(inputs)).astype(np.float32)
        return np.concatenate([mapped, np.ones((len(inputs), 1), np.float32)], axis=1)

    def _standardise(self, inputs: np.ndarray) -> np.ndarray:
        # In double precision: the map divides by the smallest singular values of the landmarks' kernel matrix.
        return self._scaler.transform(inputs.astype(np.float64))


def ridge_path(features: np.ndarray, responses: np.ndarray, penalties: Sequence[float]) -> Iterator[np.ndarray]:
    """Weights float32 [F, k] with the least mean squared error + penalty * their square, for each penalty.

    Args:
        features, responses: float32 [N, F] and [N, k].
    """
    gram = (features.T @ features).astype(np.float64) / len(features)
    moments = (features.T @ responses).astype(np.float64) / len(features)
    for penalty in penalties:
        factor = linalg.cho_factor(gram + penalty * np.eye(len(gram)))
        yield linalg.cho_solve(factor, moments).astype(np.float32)


def _regression(target: Target) -> tuple[np.ndarray, np.ndarray]:
    """What is regressed on the features for a target: float32 [N, k] of mean 0, and what is added to the answer [k]."""
    known = target.known
    share = known.mean()
    if not target.class_count:
        mean = target.labels[known].mean(dtype=np.float64)
        return (np.where(known, target.labels - mean, 0) / share).astype(np.float32)[:, None], np.array([mean])
    members = target.labels[:, None] == np.arange(target.class_count)
    shares = members.mean(axis=0)
    ratios = members / np.where(shares > 0, shares, 1) - (shares > 0)
    return ratios.astype(np.float32), np.where(shares > 0, 1.0, -np.inf)


def _answers(outputs: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Log likelihood ratios [N, classes], minus infinity where `bias` is; or values [N], where it is one number."""
    if len(bias) == 1:
        return outputs[:, 0] + bias
    return np.where(np.isfinite(bias), np.log(np.maximum(outputs + 1, LEAST_RATIO)), -np.inf)
