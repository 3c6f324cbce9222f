"""Gradients of a batch in parts, so that only one part's activations are in memory."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree

Loss = Callable[[PyTree, PyTree], tuple[Array, PyTree]]
"""A function of parameters and examples: a sum over the examples, and values of each of them, [B] or more."""


def accumulated_gradients(loss: Loss, params: PyTree, examples: PyTree, parts: int) -> tuple[PyTree, PyTree]:
    """Gradients of a loss that is a sum over examples, and the examples' values.

    Args:
        loss: see `Loss`.
        params: what to differentiate by.
        examples: arrays [B, ...].
        parts: how many parts are computed one after the other.

    Returns:
        The gradients, and the values in the examples' order.

    Raises:
        ValueError: B is not a multiple of the parts.
    """
    gradients: Any = jax.grad(loss, has_aux=True)
    if parts == 1:
        return gradients(params, examples)
    size = jax.tree.leaves(examples)[0].shape[0]
    if size % parts:
        raise ValueError(
            f"a device's share of {size} pictures cannot be cut into training.microbatches={parts}; "
            f"set training.batch_size to a multiple of {parts} times the number of devices"
        )

    def add(total: PyTree, part: PyTree) -> tuple[PyTree, PyTree]:
        found, values = gradients(params, part)
        return jax.tree.map(jnp.add, total, found), values

    zeros = jax.tree.map(jnp.zeros_like, params)
    total, values = jax.lax.scan(add, zeros, jax.tree.map(lambda leaf: _interleaved(leaf, parts), examples))
    return total, jax.tree.map(_joined, values)


def _interleaved(array: Array, parts: int) -> Array:
    """[B, ...] to [parts, B / parts, ...]; part i has every example i + k * parts.

    Contiguous parts of a global batch would lie on a few of the devices each.
    """
    return array.reshape(-1, parts, *array.shape[1:]).swapaxes(0, 1)


def _joined(parts: Array) -> Array:
    """The inverse of `_interleaved`."""
    return parts.swapaxes(0, 1).reshape(-1, *parts.shape[2:])
