"""Figures of merit with 95 % confidence intervals, for labels that are all known (the caller masks the missing).

Every interval treats the examples as independent people.
"""

import dataclasses

import numpy as np
from scipy import optimize, stats

CONFIDENCE = 0.95
Z = float(stats.norm.ppf((1 + CONFIDENCE) / 2))


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A figure and its 95 % confidence interval.

    Attributes:
        value: the point estimate.
        ci95: lower and upper limit.
    """

    value: float
    ci95: tuple[float, float]


def clopper_pearson(successes: np.ndarray, trials: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Exact 95 % limits of binomial proportions (Clopper and Pearson 1934); 0 and 1 where nothing limits them."""
    tail = (1 - CONFIDENCE) / 2
    failures = trials - successes
    # At the ends the beta distribution has no such shape; the limit is then the end of the range itself.
    low = stats.beta.ppf(tail, np.maximum(successes, 1), failures + 1)
    high = stats.beta.ppf(1 - tail, successes + 1, np.maximum(failures, 1))
    return np.where(successes == 0, 0.0, low), np.where(failures == 0, 1.0, high)


def balanced_accuracy(labels: np.ndarray, predictions: np.ndarray) -> Estimate:
    """Mean over the classes among `labels` of the share of their examples that is predicted rightly.

    The interval joins the classes' exact Clopper-Pearson limits by the method of variance estimates recovery (Zou and
    Donner 2008): the mean recall minus, or plus, sqrt(sum of squared distances to the limits) / classes. It is exact
    for one class, and does not collapse where a small class is read without error.

    Args:
        labels, predictions: int [N].
    """
    trials = np.array([np.sum(labels == label) for label in np.unique(labels)])
    successes = np.array([np.sum(predictions[labels == label] == label) for label in np.unique(labels)])
    recalls = successes / trials
    low, high = clopper_pearson(successes, trials)
    value = recalls.mean()
    below = np.sqrt(np.sum((recalls - low) ** 2)) / len(trials)
    above = np.sqrt(np.sum((high - recalls) ** 2)) / len(trials)
    return Estimate(float(value), (float(max(value - below, 0.0)), float(min(value + above, 1.0))))


def auc(labels: np.ndarray, scores: np.ndarray) -> Estimate:
    """Area under the ROC curve: how often a random example of class 1 scores above one of class 0, ties half.

    The interval is Newcombe's (2006, method 5): the areas that lie within 1.96 standard errors of the observed one,
    each with Hanley and McNeil's standard error at that area itself, so it stays open even at 0 and 1.

    Args:
        labels: int [N] of 0 and 1, both present.
        scores: float [N], higher for class 1.
    """
    positives, negatives = int(np.sum(labels == 1)), int(np.sum(labels == 0))
    ranks = stats.rankdata(scores)
    wins = ranks[labels == 1].sum() - positives * (positives + 1) / 2
    value = float(wins / (positives * negatives))

    def beyond(area: float) -> float:
        """Positive where the observed area is further from `area` than chance allows."""
        return (area - value) ** 2 - Z**2 * _auc_variance(area, positives, negatives)

    # At 0 and 1 the variance vanishes, so these ends are roots too, though not the limit that is looked for.
    inside = min(max(value, 1e-9), 1 - 1e-9)
    low = optimize.brentq(beyond, 0.0, inside) if beyond(0.0) > 0 else 0.0
    high = optimize.brentq(beyond, inside, 1.0) if beyond(1.0) > 0 else 1.0
    return Estimate(value, (float(low), float(high)))


def _auc_variance(area: float, positives: int, negatives: int) -> float:
    """Hanley and McNeil's variance of an area, symmetrised as by Newcombe."""
    others = (positives + negatives) / 2 - 1
    inflation = 1 + others * (1 - area) / (2 - area) + others * area / (1 + area)
    return area * (1 - area) * inflation / (positives * negatives)


def r2(values: np.ndarray, predictions: np.ndarray) -> Estimate:
    """Share of the variance of `values` that `predictions` explain: 1 - mean squared error / variance.

    The interval is normal on the scale of log(1 - R2) = log MSE - log variance, whose standard error follows from the
    influence of each example on the two means (delta method).

    Args:
        values, predictions: float [N]; the values differ.
    """
    errors = (np.asarray(values, np.float64) - predictions) ** 2
    deviations = (np.asarray(values, np.float64) - np.mean(values)) ** 2
    unexplained = errors.mean() / deviations.mean()
    if unexplained == 0:
        return Estimate(1.0, (1.0, 1.0))
    influence = errors / errors.mean() - deviations / deviations.mean()
    spread = np.exp(_t(len(errors)) * influence.std(ddof=1) / np.sqrt(len(errors)))
    return Estimate(float(1 - unexplained), (float(1 - unexplained * spread), float(1 - unexplained / spread)))


def mean_absolute_error(values: np.ndarray, predictions: np.ndarray) -> Estimate:
    """Mean distance between `values` and `predictions`, both float [N]; Student's interval of a mean."""
    errors = np.abs(np.asarray(values, np.float64) - predictions)
    reach = _t(len(errors)) * errors.std(ddof=1) / np.sqrt(len(errors))
    return Estimate(float(errors.mean()), (float(max(errors.mean() - reach, 0.0)), float(errors.mean() + reach)))


def _t(count: int) -> float:
    return float(stats.t.ppf((1 + CONFIDENCE) / 2, count - 1))
