"""Naive Bayes on histograms of the code's dimensions, whatever the shape of their distributions."""

import dataclasses

import numpy as np

from conceal_jax.audit.attackers.selection import answerable, best
from conceal_jax.audit.examples import Examples
from conceal_jax.audit.targets import Target

BINS = 20


@dataclasses.dataclass(frozen=True, eq=False)
class _NaiveBayes:
    """Sums the log-odds of the bins of some dimensions.

    Attributes:
        axes: int [k], the dimensions.
        log_odds: float32 [k, BINS, classes], log p(bin | class) - log p(bin); -inf for a class without examples.
    """

    axes: np.ndarray
    log_odds: np.ndarray

    def predict(self, bins: np.ndarray) -> np.ndarray:
        each = [odds[bins[:, axis]] for axis, odds in zip(self.axes, self.log_odds, strict=True)]
        return np.sum(each, axis=0)


class HistogramAttacker:
    """Naive Bayes on quantile histograms of the dimensions on which the classes differ most.

    Dimensions are ranked by the mutual information of bin and class; the number kept is tuned. It finds leaks in one
    dimension that change neither its mean nor its low moments. Values are left unanswered.
    """

    name = "histograms"
    counts = (1, 2, 4, 8, 16, 32, 64)

    def fit(self, train: Examples, validation: Examples) -> "HistogramAttacker":
        """Counts on `train`; the number of dimensions of each target is tuned on `validation`."""
        self._edges = np.quantile(train.inputs, np.arange(1, BINS) / BINS, axis=0)
        train_inputs, validation_inputs = self._bins(train.inputs), self._bins(validation.inputs)
        self._models = {}
        for name in answerable(train, validation):
            target = train.targets[name]
            if target.class_count:
                models = _models(train_inputs, target, self.counts)
                self._models[name] = best(
                    {model: model.predict(validation_inputs) for model in models}, validation.targets[name]
                )
        return self

    def predict(self, inputs: np.ndarray) -> dict[str, np.ndarray]:
        """By class target: scores [N, classes]."""
        bins = self._bins(inputs)
        return {name: model.predict(bins) for name, model in self._models.items()}

    def _bins(self, inputs: np.ndarray) -> np.ndarray:
        """int [N, L], from 0 to BINS - 1."""
        columns = zip(self._edges.T, inputs.T, strict=True)
        return np.stack([np.searchsorted(edges, values, side="right") for edges, values in columns], axis=1)


def _models(bins: np.ndarray, target: Target, counts: tuple[int, ...]) -> list[_NaiveBayes]:
    """One model for each number of dimensions kept."""
    shares = np.stack([_class_shares(column, target) for column in bins.T])
    # Classes weigh the same, whatever their sizes.
    everyone = np.nanmean(shares, axis=2, keepdims=True)
    log_odds = np.log(shares / everyone)
    information = np.nansum(shares * log_odds, axis=(1, 2))
    order = np.argsort(-information)
    log_odds = np.where(np.isnan(log_odds), -np.inf, log_odds).astype(np.float32)
    return [_NaiveBayes(order[:count], log_odds[order[:count]]) for count in counts if count <= len(order)]


def _class_shares(bins: np.ndarray, target: Target) -> np.ndarray:
    """float64 [BINS, classes]: p(bin | class), smoothed by one person spread over the bins; NaN for an empty class."""
    known = target.known
    cells = bins[known] * target.class_count + target.labels[known]
    counts = np.bincount(cells, minlength=BINS * target.class_count).reshape(BINS, -1)
    people = counts.sum(axis=0)
    return np.where(people > 0, (counts + 1 / BINS) / (people + 1), np.nan)
