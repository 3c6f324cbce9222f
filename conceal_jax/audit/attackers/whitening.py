"""PCA whitening of inputs."""

import numpy as np
from sklearn.preprocessing import StandardScaler

LEAST_VARIANCE = 1e-10
"""Directions with less than this share of the largest variance are rounding errors of float32 inputs."""


class Whitening:
    """Principal components scaled to unit variance.

    Unlike standardisation of single dimensions, it amplifies leaks in any direction along which codes hardly vary.
    """

    def fit(self, inputs: np.ndarray) -> "Whitening":
        """Fits the directions of inputs float [N, L]; returns itself."""
        self._scaler = StandardScaler().fit(inputs.astype(np.float64))
        standardised = self._scaler.transform(inputs)
        variances, directions = np.linalg.eigh(np.atleast_2d(np.cov(standardised, rowvar=False)))
        kept = variances > LEAST_VARIANCE * variances[-1]
        # Inputs that never vary keep one direction, so that there is at least one.
        kept[-1] = True
        self._matrix = directions[:, kept] / np.sqrt(np.where(variances > 1e-20, variances, 1)[kept])
        return self

    def transform(self, inputs: np.ndarray) -> np.ndarray:
        """float64 [N, directions]."""
        return self._scaler.transform(inputs) @ self._matrix
