"""Metrics with 95 % confidence intervals, for labels that are all known (the caller masks the missing).

Every interval treats the examples as independent people.
"""

import dataclasses
import math

import numpy as np
from scipy import optimize, stats

CONFIDENCE = 0.95
BOOTSTRAP_DRAWS = 1000
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


def widened(estimate: Estimate, factor: float) -> Estimate:
    """The estimate with the distance to both limits multiplied by a factor."""
    low, high = estimate.ci95
    return Estimate(
        estimate.value,
        (estimate.value - factor * (estimate.value - low), estimate.value + factor * (high - estimate.value)),
    )


def clopper_pearson(successes: np.ndarray, trials: np.ndarray, comparisons: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Exact 95 % limits of binomial proportions (Clopper and Pearson 1934); 0 and 1 where nothing limits them.

    Args:
        successes, trials: int, of any one shape.
        comparisons: how many such intervals shall hold at once (Bonferroni).
    """
    tail = (1 - CONFIDENCE) / (2 * comparisons)
    failures = trials - successes
    # At the ends the beta distribution has no such shape; the limit is then the end of the range itself.
    low = stats.beta.ppf(tail, np.maximum(successes, 1), failures + 1)
    high = stats.beta.ppf(1 - tail, successes + 1, np.maximum(failures, 1))
    return np.where(successes == 0, 0.0, low), np.where(failures == 0, 1.0, high)


def balanced_accuracy(labels: np.ndarray, predictions: np.ndarray, comparisons: int = 1) -> Estimate:
    """Mean over the classes among `labels` of the share of their examples that is predicted correctly.

    The interval joins the classes' exact Clopper-Pearson limits by the method of variance estimates recovery (Zou and
    Donner 2008): the mean recall minus, or plus, sqrt(sum of squared distances to the limits) / classes. It is exact
    for one class, and does not collapse where a small class is read without error.

    Args:
        labels, predictions: int [N].
        comparisons: how many such intervals shall hold at once (Bonferroni).
    """
    trials = np.array([np.sum(labels == label) for label in np.unique(labels)])
    successes = np.array([np.sum(predictions[labels == label] == label) for label in np.unique(labels)])
    recalls = successes / trials
    low, high = clopper_pearson(successes, trials, comparisons)
    value = recalls.mean()
    below = np.sqrt(np.sum((recalls - low) ** 2)) / len(trials)
    above = np.sqrt(np.sum((high - recalls) ** 2)) / len(trials)
    return Estimate(float(value), (float(max(value - below, 0.0)), float(min(value + above, 1.0))))


def macro_f1(labels: np.ndarray, predictions: np.ndarray) -> Estimate:
    """Mean over the classes among `labels` of the harmonic mean of precision and recall.

    The interval is the bootstrap's, of percentiles: the counts of (label, prediction) drawn again with their observed
    shares. The draws are the same for the same counts.

    Args:
        labels, predictions: int [N], predictions from 0.
    """
    classes = int(max(labels.max(), predictions.max())) + 1
    counts = np.bincount(labels * classes + predictions, minlength=classes**2)
    drawn = np.random.default_rng(0).multinomial(len(labels), counts / len(labels), BOOTSTRAP_DRAWS)
    present = np.unique(labels)
    low, high = np.quantile(_macro_f1(drawn, present), [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    value = float(_macro_f1(counts[None], present)[0])
    return Estimate(value, (float(min(low, value)), float(max(high, value))))


def _macro_f1(counts: np.ndarray, present: np.ndarray) -> np.ndarray:
    """float [draws] from counts int [draws, classes * classes] of (label, prediction)."""
    classes = math.isqrt(counts.shape[1])
    table = counts.reshape(-1, classes, classes)
    correct, actual, predicted = np.einsum("dcc->dc", table), table.sum(axis=2), table.sum(axis=1)
    return (2 * correct / np.maximum(actual + predicted, 1))[:, present].mean(axis=1)


def information(labels: np.ndarray, log_probabilities: np.ndarray, log_priors: np.ndarray) -> Estimate:
    """Nats that calibrated predictions reveal of the labels: the mean of log p(label given input) - log p(label).

    For any predictions its expectation is at most the mutual information (Barber and Agakov 2003), so it errs towards
    less leakage, and is below 0 where predictions are worse than the prior. Student's interval of a mean.

    Args:
        labels: int [N].
        log_probabilities: float [N, classes], under the priors.
        log_priors: float [N, classes].
    """
    rows = np.arange(len(labels))
    gains = log_probabilities[rows, labels] - log_priors[rows, labels]
    return mean(gains)


def excess(figure: Estimate, floor: Estimate) -> Estimate:
    """How far a figure lies above a floor measured on the same people.

    The interval joins both by the method of variance estimates recovery (Zou and Donner 2008), as if they were
    independent; as they are positively correlated, it errs on the wide side.
    """
    value = figure.value - floor.value
    below = np.hypot(figure.value - figure.ci95[0], floor.ci95[1] - floor.value)
    above = np.hypot(figure.ci95[1] - figure.value, floor.value - floor.ci95[0])
    return Estimate(value, (float(value - below), float(value + above)))


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


def r2(values: np.ndarray, predictions: np.ndarray, comparisons: int = 1) -> Estimate:
    """Share of the variance of `values` that `predictions` explain: 1 - mean squared error / variance.

    The interval is normal on the scale of log(1 - R2) = log MSE - log variance, whose standard error follows from the
    influence of each example on the two means (delta method).

    Args:
        values, predictions: float [N]; the values differ.
        comparisons: how many such intervals shall hold at once (Bonferroni).
    """
    errors = (np.asarray(values, np.float64) - predictions) ** 2
    deviations = (np.asarray(values, np.float64) - np.mean(values)) ** 2
    unexplained = errors.mean() / deviations.mean()
    if unexplained == 0:
        return Estimate(1.0, (1.0, 1.0))
    influence = errors / errors.mean() - deviations / deviations.mean()
    spread = np.exp(_t(len(errors), comparisons) * influence.std(ddof=1) / np.sqrt(len(errors)))
    return Estimate(float(1 - unexplained), (float(1 - unexplained * spread), float(1 - unexplained / spread)))


def mean_absolute_error(values: np.ndarray, predictions: np.ndarray) -> Estimate:
    """Mean distance between `values` and `predictions`, both float [N]; Student's interval of a mean."""
    error = mean(np.abs(np.asarray(values, np.float64) - predictions))
    return Estimate(error.value, (max(error.ci95[0], 0.0), error.ci95[1]))


def mean(values: np.ndarray) -> Estimate:
    """The mean of values [N], N > 1, with Student's interval."""
    middle, reach = values.mean(), _t(len(values)) * values.std(ddof=1) / np.sqrt(len(values))
    return Estimate(float(middle), (float(middle - reach), float(middle + reach)))


def _t(count: int, comparisons: int = 1) -> float:
    return float(stats.t.ppf(1 - (1 - CONFIDENCE) / (2 * comparisons), count - 1))
