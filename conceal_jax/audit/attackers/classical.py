"""Classical learners as attackers on numbers: boosted trees, nearest neighbours, a kernel machine."""

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import numpy as np
from scipy import linalg
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.kernel_approximation import Nystroem
from sklearn.preprocessing import StandardScaler

from conceal_jax.audit.attackers.linear import all_classes, answerable, balanced_weights, best
from conceal_jax.audit.examples import Examples
from conceal_jax.audit.targets import Target

LEAST_RATIO = 1e-3
"""Estimated probabilities and likelihood ratios are raised to this before their logarithm is taken."""


class TreesAttacker:
    """Gradient-boosted trees, class-balanced; as many as do best on the people held out for choosing.

    One tree is grown for each class and round, so targets of more than `max_classes` classes are left unanswered.
    """

    name = "trees"
    max_classes = 20
    patience = 12
    settings: ClassVar[dict[str, float]] = {
        "learning_rate": 0.06,
        "max_iter": 250,
        "max_leaf_nodes": 15,
        "min_samples_leaf": 40,
        "max_bins": 31,
    }

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed

    def fit(self, learn: Examples, choose: Examples) -> "TreesAttacker":
        """Grows trees on `learn` until they no longer gain on `choose`."""
        self._class_counts = {
            name: learn.targets[name].class_count
            for name in answerable(learn, choose)
            if learn.targets[name].class_count <= self.max_classes
        }
        self._models = {name: self._grown(learn, choose, name) for name in self._class_counts}
        return self

    def predict(self, inputs: np.ndarray) -> dict[str, np.ndarray]:
        """By target: log probabilities [N, classes], or values [N]."""
        return {name: self._answer(model, inputs, self._class_counts[name]) for name, model in self._models.items()}

    def _grown(self, learn: Examples, choose: Examples, name: str) -> Any:
        target, judge = learn.targets[name], choose.targets[name]
        kind = HistGradientBoostingClassifier if target.class_count else HistGradientBoostingRegressor
        model = kind(
            **self.settings, early_stopping=True, n_iter_no_change=self.patience, tol=0.0, random_state=self._seed
        )
        judged = judge.known
        if target.class_count:
            judged = judged & np.isin(judge.labels, target.labels[target.known])
        return model.fit(
            learn.inputs[target.known],
            target.labels[target.known],
            balanced_weights(target)[target.known],
            X_val=choose.inputs[judged],
            y_val=judge.labels[judged],
            sample_weight_val=balanced_weights(judge.take(judged.nonzero()[0])),
        )

    @staticmethod
    def _answer(model: Any, inputs: np.ndarray, class_count: int) -> np.ndarray:
        if not class_count:
            return model.predict(inputs)
        probabilities = np.maximum(model.predict_proba(inputs), LEAST_RATIO)
        return all_classes(np.log(probabilities), model.classes_.astype(int), class_count)


class NeighboursAttacker:
    """The votes of the nearest learned people, each divided by the size of its class; means of values.

    Distances are Euclidean between standardised inputs, and computed once for all targets. Neighbours whose label is
    missing do not vote.
    """

    name = "neighbours"
    counts = (300, 150, 80, 40, 20, 10, 5)
    people_at_once = 512

    def fit(self, learn: Examples, choose: Examples) -> "NeighboursAttacker":
        """Remembers `learn`; how many neighbours are asked about each target is the best on `choose`."""
        self._scaler = StandardScaler().fit(learn.inputs)
        self._learned = self._standardise(learn.inputs)
        self._targets = {name: learn.targets[name] for name in answerable(learn, choose)}
        nearest = self._nearest(choose.inputs)
        self._counts = {
            name: best({count: votes(nearest[:, :count], target) for count in self.counts}, choose.targets[name])
            for name, target in self._targets.items()
        }
        return self

    def predict(self, inputs: np.ndarray) -> dict[str, np.ndarray]:
        """By target: log shares of the balanced votes [N, classes], or values [N]."""
        nearest = self._nearest(inputs)
        return {name: votes(nearest[:, : self._counts[name]], target) for name, target in self._targets.items()}

    def _standardise(self, inputs: np.ndarray) -> np.ndarray:
        return self._scaler.transform(inputs).astype(np.float32)

    def _nearest(self, inputs: np.ndarray) -> np.ndarray:
        """Indices [N, largest count] of the learned people nearest to each, the nearest first."""
        people = self._standardise(inputs)
        # The squared length of the person asked about is the same for all neighbours, and so left out.
        squares = np.square(self._learned).sum(axis=1)
        count = min(self.counts[0], len(self._learned))
        nearest = []
        for start in range(0, len(people), self.people_at_once):
            distances = squares - 2 * people[start : start + self.people_at_once] @ self._learned.T
            among = np.argpartition(distances, count - 1, axis=1)[:, :count]
            order = np.argsort(np.take_along_axis(distances, among, axis=1), axis=1)
            nearest.append(np.take_along_axis(among, order, axis=1))
        return np.concatenate(nearest)


def votes(nearest: np.ndarray, target: Target) -> np.ndarray:
    """What neighbours with the indices `nearest` int [N, k] say.

    To the votes one more is added, shared out like the labels of all people: it decides where nobody's label is known,
    and keeps the logarithm finite.

    Returns:
        Log of (votes for a class / frequency of the class) float64 [N, classes], minus infinity for a class never
        seen; or the mean of the neighbours' values [N].
    """
    known, labels = target.known[nearest], target.labels[nearest]
    if not target.class_count:
        mean = target.labels[target.known].mean(dtype=np.float64)
        return (np.where(known, labels, 0).sum(axis=1) + mean) / (known.sum(axis=1) + 1)
    cells = np.arange(len(nearest))[:, None] * target.class_count + labels
    counts = np.bincount(cells[known], minlength=len(nearest) * target.class_count).reshape(-1, target.class_count)
    frequencies = np.bincount(target.labels[target.known], minlength=target.class_count) / target.known.sum()
    seen = np.flatnonzero(frequencies)
    return all_classes(np.log(counts[:, seen] / frequencies[seen] + 1), seen, target.class_count)


class KernelAttacker:
    """Ridge regression in the space of a Gaussian kernel (Nystroem): on likelihood ratios for classes, or on values.

    Everyone of class c is to be answered with 1 / (share of class c), all others with 0: the best answer to a code z
    is then p(z | c) / p(z), whatever the sizes of the classes and whoever's label is missing (which counts as other).
    So the same normal equations serve all targets at once.

    Args:
        seed: of the choice of landmarks among the learned people.
    """

    name = "kernel"
    landmarks = 800
    widths = (0.1, 0.5, 2.0)
    """The kernel is exp(-width * squared distance / its mean over pairs of people)."""
    penalties = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5)
    """On the squared weights, against the mean squared error."""

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed

    def fit(self, learn: Examples, choose: Examples) -> "KernelAttacker":
        """Learns on `learn`; each target's kernel width and penalty are the best on `choose`."""
        self._scaler = StandardScaler().fit(learn.inputs)
        self._maps = [self._map(learn.inputs, width) for width in self.widths]
        names, solutions, outputs = answerable(learn, choose), {}, {}
        regressions = {name: _regression(learn.targets[name]) for name in names}
        nothing = np.zeros((len(learn), 0), np.float32)
        wanted = np.concatenate([nothing, *(columns for columns, _ in regressions.values())], axis=1)
        for index in range(len(self.widths)):
            features, judged = self._features(learn.inputs, index), self._features(choose.inputs, index)
            for penalty, weights in zip(self.penalties, ridge_path(features, wanted, self.penalties), strict=True):
                solutions[index, penalty], outputs[index, penalty] = weights, judged @ weights
        self._models, start = {}, 0
        for name, (columns, bias) in regressions.items():
            own = slice(start, start := start + columns.shape[1])
            answers = {question: _answers(output[:, own], bias) for question, output in outputs.items()}
            question = best(answers, choose.targets[name])
            self._models[name] = question[0], solutions[question][:, own], bias
        return self

    def predict(self, inputs: np.ndarray) -> dict[str, np.ndarray]:
        """By target: log likelihood ratios [N, classes], or values [N]."""
        features = {index: self._features(inputs, index) for index in {index for index, *_ in self._models.values()}}
        return {
            name: _answers(features[index] @ weights, bias) for name, (index, weights, bias) in self._models.items()
        }

    def _map(self, inputs: np.ndarray, width: float) -> Nystroem:
        # The mean squared distance of standardised people is twice the number of axes that vary.
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


def ridge_path(features: np.ndarray, wanted: np.ndarray, penalties: Sequence[float]) -> Iterator[np.ndarray]:
    """Weights float32 [F, k] with the least mean squared error + penalty * their square, for each penalty.

    Args:
        features, wanted: float32 [N, F] and [N, k].
    """
    gram = (features.T @ features).astype(np.float64) / len(features)
    moments = (features.T @ wanted).astype(np.float64) / len(features)
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
