"""Temperature scaling: calibrates an attacker's scores on its validation people."""

import dataclasses

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from conceal_jax.audit.targets import Target

FLOOR = 1e-3
"""Share of the prior mixed into every prediction, so that no probability is 0."""


@dataclasses.dataclass(frozen=True)
class Calibration:
    """Turns scores, fitted with balanced classes, into log-probabilities.

    Attributes:
        temperature: divides the scores.
        log_priors: float [classes], class shares among the training people; -inf for a class without examples.
    """

    temperature: float
    log_priors: np.ndarray

    def balanced(self, scores: np.ndarray) -> np.ndarray:
        """Log-probabilities [N, classes] under equal priors of all classes with examples."""
        return _predict(scores, self.temperature, np.where(np.isfinite(self.log_priors), 0.0, -np.inf))

    def natural(self, scores: np.ndarray) -> np.ndarray:
        """Log-probabilities [N, classes] under the class shares of the training people."""
        return _predict(scores, self.temperature, self.log_priors)


def calibrate(scores: np.ndarray, validation: Target, train: Target) -> Calibration:
    """The temperature with the least cross-entropy on the validation people (Guo et al. 2017).

    Args:
        scores: float [N, classes] of the validation people.
        validation: their labels.
        train: the labels of the training people, which give the priors.
    """
    counts = np.bincount(train.labels[train.known], minlength=train.class_count)
    with np.errstate(divide="ignore"):
        log_priors = np.log(counts / counts.sum())
    labels = validation.labels[validation.known]
    known = np.isfinite(log_priors[labels])
    rows, labels = scores[validation.known][known], labels[known]

    def cross_entropy(log_temperature: float) -> float:
        predicted = _predict(rows, np.exp(log_temperature), log_priors)
        return float(-predicted[np.arange(len(labels)), labels].mean())

    best = minimize_scalar(cross_entropy, bounds=(-5.0, 5.0), method="bounded") if len(labels) else None
    return Calibration(float(np.exp(best.x)) if best is not None else 1.0, log_priors)


def _predict(scores: np.ndarray, temperature: float, log_priors: np.ndarray) -> np.ndarray:
    present = np.isfinite(log_priors)
    # A class with examples may still be scored minus infinity; it is unlikely, not impossible.
    finite = np.where(np.isfinite(scores), scores, np.nanmin(np.where(np.isfinite(scores), scores, np.nan)) - 10.0)
    certain = log_softmax(finite[:, present] / temperature + log_priors[present], axis=1)
    prior = log_softmax(log_priors[present])
    predicted = np.full(scores.shape, -np.inf)
    predicted[:, present] = np.logaddexp(np.log1p(-FLOOR) + certain, np.log(FLOOR) + prior)
    return predicted
