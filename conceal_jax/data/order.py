"""The order of an epoch and its flips: a pure function of (seed, epoch), the same for resident and streamed data."""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int, Int32

from conceal_jax.runtime.randomness import Stream, stream_key


@functools.partial(jax.jit, static_argnames="size")
def epoch_order(
    seed: int | Int[Array, ""], epoch: int | Int[Array, ""], size: int
) -> tuple[Int32[Array, " size"], Bool[Array, " size"]]:
    """A permutation of the examples, and whether the picture at each position of it is mirrored.

    Args:
        seed, epoch: may be traced.
        size: number of examples; static.
    """
    order = jax.random.permutation(stream_key(seed, Stream.ORDER, epoch), jnp.arange(size, dtype=jnp.int32))
    return order, jax.random.bernoulli(stream_key(seed, Stream.FLIPS, epoch), shape=(size,))


def steps_per_epoch(size: int, batch_size: int) -> int:
    """Batches in an epoch; the last one is padded where it is not full."""
    return -(-size // batch_size)
