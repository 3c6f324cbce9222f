"""The suite: which attackers read codes."""

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

import numpy as np

from conceal_jax.audit.attackers.classical import KernelAttacker, NeighboursAttacker, TreesAttacker
from conceal_jax.audit.attackers.histograms import HistogramAttacker
from conceal_jax.audit.attackers.linear import LinearAttacker, MajorityAttacker
from conceal_jax.audit.attackers.mixture import MixtureAttacker
from conceal_jax.audit.attackers.mlp import PerceptronAttacker
from conceal_jax.audit.attackers.moments import MomentsAttacker
from conceal_jax.audit.attackers.quadratic import QuadraticAttacker
from conceal_jax.audit.examples import Examples


@runtime_checkable
class Attacker(Protocol):
    """What the protocol asks of an attacker."""

    name: str

    def fit(self, learn: Examples, choose: Examples) -> "Attacker":
        """Learns every target it answers from scratch; returns itself.

        Args:
            learn: people to learn from, with class-balanced loss.
            choose: other people, on whom hyper-parameters are chosen.
        """
        ...

    def predict(self, inputs: np.ndarray) -> Mapping[str, np.ndarray]:
        """By target it answers: float scores [N, classes], of which the highest is the guess, or values [N]."""
        ...


def full_suite(seed: int, white_box: bool) -> list[Attacker]:
    """Every attacker on codes.

    Args:
        seed: of all that is random in them.
        white_box: whether the posteriors of the codes are known to the attackers.
    """
    attackers: list[Attacker] = [
        *quick_suite(seed),
        PerceptronAttacker(384, seed, epochs=10, networks=1, whiten=True),
        TreesAttacker(seed),
        NeighboursAttacker(),
        KernelAttacker(seed),
        HistogramAttacker(),
        MomentsAttacker(),
        QuadraticAttacker(),
    ]
    return [*attackers, MixtureAttacker()] if white_box else attackers


def quick_suite(seed: int) -> list[Attacker]:
    """Those that find most of what is found, in a fraction of the time."""
    return [MajorityAttacker(), LinearAttacker(), PerceptronAttacker(128, seed)]
