"""The order of an epoch and its flips: a pure function of (seed, epoch), shared by the resident and the stream path."""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int, Int32


@functools.partial(jax.jit, static_argnames="size")
def epoch_order(
    seed: int | Int[Array, ""], epoch: int | Int[Array, ""], size: int
) -> tuple[Int32[Array, " size"], Bool[Array, " size"]]:
    """A permutation of the items, and whether the picture at each position of it is mirrored.

    Args:
        seed, epoch: may be traced.
        size: number of items; static.
    """
    key = jax.random.fold_in(jax.random.key(seed, impl="threefry2x32"), epoch)
    order_key, flip_key = jax.random.split(key)
    order = jax.random.permutation(order_key, jnp.arange(size, dtype=jnp.int32))
    return order, jax.random.bernoulli(flip_key, shape=(size,))


def steps_per_epoch(size: int, batch_size: int) -> int:
    """Batches an epoch, the last one padded where it is not full."""
    return -(-size // batch_size)
