"""Inputs turned and scaled so that every direction counts the same."""

import numpy as np
from sklearn.preprocessing import StandardScaler

LEAST_VARIANCE = 1e-10
"""Directions with less than this share of the largest variance are rounding errors of float32 inputs."""


class Whitening:
    """Principal components scaled to unit variance.

    Standardising numbers one by one does not bring out a leak in a direction between the axes along which codes hardly
    vary; this does.
    """

    def fit(self, inputs: np.ndarray) -> "Whitening":
        """Learns the directions of inputs float [N, L]; returns itself."""
        self._scaler = StandardScaler().fit(inputs.astype(np.float64))
        standardised = self._scaler.transform(inputs)
        variances, directions = np.linalg.eigh(np.atleast_2d(np.cov(standardised, rowvar=False)))
        kept = variances > LEAST_VARIANCE * variances[-1]
        # Inputs that never vary keep one direction, so that there is something to learn nothing from.
        kept[-1] = True
        self._matrix = directions[:, kept] / np.sqrt(np.where(variances > 1e-20, variances, 1)[kept])
        return self

    def transform(self, inputs: np.ndarray) -> np.ndarray:
        """float64 [N, directions]."""
        return self._scaler.transform(inputs) @ self._matrix
