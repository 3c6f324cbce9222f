"""Research on the bottleneck: models as functions of their hyper-parameters, sweeps over them, and their curves.

Everything named here takes and returns pytrees, and works under jit, vmap and grad.
"""

from conceal_jax.research.members import (
    Measures,
    Member,
    Seen,
    begin_member,
    measure,
    member_of,
    see,
    stacked,
    train,
    update,
)

__all__ = [
    "Measures",
    "Member",
    "Seen",
    "begin_member",
    "measure",
    "member_of",
    "see",
    "stacked",
    "train",
    "update",
]
