"""Research on the bottleneck: models as functions of their hyper-parameters, sweeps over them, and their curves.

Everything named here takes and returns pytrees, and works under jit, vmap and grad.
"""

from conceal_jax.research.members import (
    Encoded,
    Measures,
    Member,
    begin_member,
    encode_batch,
    measure,
    member_of,
    stacked,
    train,
    update,
)

__all__ = [
    "Encoded",
    "Measures",
    "Member",
    "begin_member",
    "encode_batch",
    "measure",
    "member_of",
    "stacked",
    "train",
    "update",
]
