"""The suite of attackers on codes.

To add an attacker, write a module beside this one with a class that follows `Attacker`, and list it in `full_suite`.
Attackers on pictures are listed in `conceal_jax.audit.sources`.
"""

from conceal_jax.audit.attackers.attacker import Attacker
from conceal_jax.audit.attackers.histograms import HistogramAttacker
from conceal_jax.audit.attackers.kernel import KernelAttacker
from conceal_jax.audit.attackers.linear import LinearAttacker
from conceal_jax.audit.attackers.majority import MajorityAttacker
from conceal_jax.audit.attackers.mixture import MixtureAttacker
from conceal_jax.audit.attackers.mlp import MLPAttacker
from conceal_jax.audit.attackers.moments import MomentsAttacker
from conceal_jax.audit.attackers.neighbours import NeighboursAttacker
from conceal_jax.audit.attackers.quadratic import QuadraticAttacker
from conceal_jax.audit.attackers.trees import BoostedTreesAttacker


def full_suite(seed: int, white_box: bool) -> list[Attacker]:
    """Every attacker on codes.

    Args:
        seed: of all that is random in them.
        white_box: whether the attackers know the posteriors of the codes.
    """
    attackers: list[Attacker] = [
        *quick_suite(seed),
        MLPAttacker(384, seed, epochs=10, networks=1, whiten=True),
        BoostedTreesAttacker(seed),
        NeighboursAttacker(),
        KernelAttacker(seed),
        HistogramAttacker(),
        MomentsAttacker(),
        QuadraticAttacker(),
    ]
    return [*attackers, MixtureAttacker()] if white_box else attackers


def quick_suite(seed: int) -> list[Attacker]:
    """The attackers that find most of the leakage, in a fraction of the time."""
    return [MajorityAttacker(), LinearAttacker(), MLPAttacker(128, seed)]
