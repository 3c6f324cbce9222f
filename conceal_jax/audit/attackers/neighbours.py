"""k-nearest-neighbours attacker."""

import numpy as np
from sklearn.preprocessing import StandardScaler

from conceal_jax.audit.attackers.selection import all_classes, answerable, best
from conceal_jax.audit.examples import Examples
from conceal_jax.audit.targets import Target


class NeighboursAttacker:
    """Votes of the k nearest neighbours, weighted by the inverse class frequency; for values, their mean.

    Distances are Euclidean between standardised inputs, and computed once for all targets. Neighbours whose label is
    missing do not vote.
    """

    name = "neighbours"
    counts = (300, 150, 80, 40, 20, 10, 5)
    people_at_once = 512

    def fit(self, train: Examples, validation: Examples) -> "NeighboursAttacker":
        """Stores `train`; k is tuned for each target on `validation`."""
        self._scaler = StandardScaler().fit(train.inputs)
        self._learned = self._standardise(train.inputs)
        self._targets = {name: train.targets[name] for name in answerable(train, validation)}
        nearest = self._nearest(validation.inputs)
        self._counts = {
            name: best({count: votes(nearest[:, :count], target) for count in self.counts}, validation.targets[name])
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
        """Indices [N, largest k] of the stored people nearest to each, the nearest first."""
        people = self._standardise(inputs)
        # The squared norm of the query is the same for all neighbours, and so left out.
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
    """Balanced votes, or mean values, of neighbours.

    One more vote is shared out by the class frequencies (Laplace smoothing): it decides where no neighbour has a
    label, and keeps the logarithm finite.

    Args:
        nearest: int [N, k], indices of the neighbours.
        target: their labels.

    Returns:
        Log of (votes for a class / frequency of the class) float64 [N, classes], minus infinity for a class without
        examples; or the mean of the neighbours' values [N].
    """
    known, labels = target.known[nearest], target.labels[nearest]
    if not target.class_count:
        mean = target.labels[target.known].mean(dtype=np.float64)
        return (np.where(known, labels, 0).sum(axis=1) + mean) / (known.sum(axis=1) + 1)
    cells = np.arange(len(nearest))[:, None] * target.class_count + labels
    counts = np.bincount(cells[known], minlength=len(nearest) * target.class_count).reshape(-1, target.class_count)
    frequencies = np.bincount(target.labels[target.known], minlength=target.class_count) / target.known.sum()
    present = np.flatnonzero(frequencies)
    return all_classes(np.log(counts[:, present] / frequencies[present] + 1), present, target.class_count)
