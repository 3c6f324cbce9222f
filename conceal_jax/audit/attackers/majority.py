"""The baseline without inputs: the most frequent class, or the mean value."""

import numpy as np

from conceal_jax.audit.attackers.selection import answerable
from conceal_jax.audit.examples import Examples
from conceal_jax.audit.targets import Target


class MajorityAttacker:
    """Ignores its inputs: predicts the most frequent class, or the mean value."""

    name = "majority"

    def fit(self, train: Examples, validation: Examples) -> "MajorityAttacker":
        """Counts the labels of `train`; `validation` is unused."""
        self._constants = {name: _constant(train.targets[name]) for name in answerable(train, validation)}
        return self

    def predict(self, inputs: np.ndarray) -> dict[str, np.ndarray]:
        """By target: the same scores [N, classes], or the same value [N], for everyone."""
        return {name: np.repeat(answer[None], len(inputs), axis=0) for name, answer in self._constants.items()}


def _constant(target: Target) -> np.ndarray:
    """Log frequencies [classes], minus infinity for a class without examples; or the mean."""
    labels = target.labels[target.known]
    if not target.class_count:
        return np.asarray(labels.mean(dtype=np.float64))
    frequencies = np.bincount(labels, minlength=target.class_count) / len(labels)
    return np.log(frequencies, out=np.full(target.class_count, -np.inf), where=frequencies > 0)
