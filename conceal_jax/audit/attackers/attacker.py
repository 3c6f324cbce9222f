"""The protocol that every attacker follows."""

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

import numpy as np

from conceal_jax.audit.examples import Examples


@runtime_checkable
class Attacker(Protocol):
    """A family of models that is fitted from scratch to codes or pictures of labelled people.

    Attributes:
        name: in reports.
    """

    name: str

    def fit(self, train: Examples, validation: Examples) -> "Attacker":
        """Fits every target that it can answer; returns itself.

        Args:
            train: training people; classes weigh the same whatever their sizes.
            validation: validation people, for hyper-parameters and early stopping.
        """
        ...

    def predict(self, inputs: np.ndarray) -> Mapping[str, np.ndarray]:
        """By target that it answers: float scores [N, classes], of which the highest is the guess, or values [N]."""
        ...
