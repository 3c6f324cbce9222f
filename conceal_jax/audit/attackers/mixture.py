"""White-box attacker: Bayes' rule with mixtures of the posteriors that the encoder gives for the training people."""

from collections.abc import Sequence

import numpy as np

from conceal_jax.audit.attackers.selection import answerable, best
from conceal_jax.audit.examples import Examples, Posterior
from conceal_jax.audit.targets import Target

LEAST_WEIGHT = 1e-30
"""Keeps the logarithm finite where no one of a class could have the code."""
NOT_STORED = -1


class MixtureAttacker:
    """Bayes' rule with each class a mixture of its people's posteriors: p(z | c) = mean of N(z; mean, (s std)^2).

    With s = 1 and infinitely many training people it is the best possible attacker. With few, new codes lie between
    the posteriors, and broader ones (s > 1, tuned) generalise. Classes weigh the
    same whatever their sizes; values are the people's mean, weighted by the density of each.

    Args:
        seed: of the choice of training people that the broadening is tuned on.
    """

    name = "mixture"
    broadenings = (8.0, 5.6, 4.0, 2.8, 2.0, 1.4, 1.0)
    tuned_on = 2000
    people_at_once = 512

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed

    def fit(self, train: Examples, validation: Examples) -> "MixtureAttacker":
        """Stores the posteriors of `train`.

        The broadening of each target is tuned on `validation` and on some of `train` together; for these, the own
        posterior is left out.

        Raises:
            ValueError: the posteriors of `train` are not known.
        """
        if train.posterior is None:
            raise ValueError(
                "the mixture attacker got codes alone; give the posterior that each was drawn from as well"
            )
        if not (train.posterior.std > 0).all():
            raise ValueError(
                f"got a posterior with a standard deviation of {train.posterior.std.min():g}; the mixture attacker "
                "needs densities, so every one must be above 0"
            )
        self._posterior = train.posterior
        self._targets = {name: train.targets[name] for name in answerable(train, validation)}
        tuning = np.random.default_rng(self._seed).permutation(len(train))[: self.tuned_on]
        own = np.concatenate([tuning, np.full(len(validation), NOT_STORED)])
        pairs = [(name, broadening) for name in self._targets for broadening in self.broadenings]
        answers = self._answers(np.concatenate([train.inputs[tuning], validation.inputs]), own, pairs)
        self._broadenings = {}
        for name, target in self._targets.items():
            labels = np.concatenate([target.labels[tuning], validation.targets[name].labels])
            candidates = {broadening: answers[name, broadening] for broadening in self.broadenings}
            self._broadenings[name] = best(candidates, Target(labels, target.class_count))
        return self

    def predict(self, inputs: np.ndarray) -> dict[str, np.ndarray]:
        """By target: log densities of the code [N, classes], but for a term common to the classes; or values [N]."""
        pairs = list(self._broadenings.items())
        answers = self._answers(inputs, np.full(len(inputs), NOT_STORED), pairs)
        return {name: answer for (name, _), answer in answers.items()}

    def _answers(
        self, inputs: np.ndarray, own: np.ndarray, pairs: Sequence[tuple[str, float]]
    ) -> dict[tuple[str, float], np.ndarray]:
        """Predictions of each target with each broadening of `pairs`.

        Args:
            inputs: float32 [N, L].
            own: int [N], the training person that each code is of, to be left out; or NOT_STORED.
            pairs: of target and broadening.
        """
        parts: dict[tuple[str, float], list[np.ndarray]] = {pair: [] for pair in pairs}
        for start in range(0, len(inputs), self.people_at_once):
            left_out = own[start : start + self.people_at_once]
            distances = squared_distances(inputs[start : start + self.people_at_once], self._posterior)
            learned = np.flatnonzero(left_out != NOT_STORED)
            distances[learned, left_out[learned]] = np.inf
            for broadening in sorted({broadening for _, broadening in pairs}):
                weights = _weights(distances, self._posterior, broadening)
                for name in [name for name, other in pairs if other == broadening]:
                    parts[name, broadening].append(_answer(weights, self._targets[name], left_out))
        return {pair: np.concatenate(part) for pair, part in parts.items()}


def squared_distances(inputs: np.ndarray, posterior: Posterior) -> np.ndarray:
    """Sum over the axes of ((z - mean) / std)^2: float64 [N, M], for N codes and M posteriors."""
    # Expanded into matrix products, whose terms nearly cancel: hence double precision.
    codes, mean = inputs.astype(np.float64), posterior.mean.astype(np.float64)
    precision = posterior.std.astype(np.float64) ** -2
    crossed = np.square(codes) @ precision.T - 2 * codes @ (precision * mean).T
    return crossed + np.sum(precision * np.square(mean), axis=1)


def _weights(distances: np.ndarray, posterior: Posterior, broadening: float) -> np.ndarray:
    """Density of each code under each broadened posterior, against its largest: float32 [N, M]."""
    logs = -distances / (2 * broadening**2) - np.log(posterior.std, dtype=np.float64).sum(axis=1)
    return np.exp((logs - logs.max(axis=1, keepdims=True)).astype(np.float32))


def _answer(weights: np.ndarray, target: Target, left_out: np.ndarray) -> np.ndarray:
    """Log of the mean weight of each class's people [N, classes], minus infinity for a class without examples.

    For a value, the weighted mean [N]. `left_out` int [N] are people with weight zero that do not count in the mean, or
    NOT_STORED.
    """
    known = target.known
    if not target.class_count:
        values = np.where(known, target.labels, 0).astype(np.float32)
        mean = target.labels[known].mean(dtype=np.float64)
        return (weights @ values + LEAST_WEIGHT * mean) / (weights @ known.astype(np.float32) + LEAST_WEIGHT)
    members = (target.labels[:, None] == np.arange(target.class_count)).astype(np.float32)
    counts = np.where((left_out != NOT_STORED)[:, None], members.sum(axis=0) - members[left_out], members.sum(axis=0))
    logs = np.log(weights @ members / np.maximum(counts, 1) + LEAST_WEIGHT)
    return np.where(members.any(axis=0), logs, -np.inf)
