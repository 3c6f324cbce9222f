"""What a step does across the devices that share its batch; with an axis of None there is one.

XLA copies what is summed or gathered over a single device, so that it is not asked to.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, PyTree


def psum(tree: PyTree, axis_name: str | None) -> PyTree:
    """Sums over the devices."""
    return tree if device_count(axis_name) == 1 else jax.lax.psum(tree, axis_name)


def gathered(tree: PyTree, axis_name: str | None) -> PyTree:
    """The whole batch, on every device."""
    return tree if device_count(axis_name) == 1 else jax.lax.all_gather(tree, axis_name, tiled=True)


def device_count(axis_name: str | None) -> int:
    """How many devices share the batch."""
    return 1 if axis_name is None else jax.lax.axis_size(axis_name)


def example_noise(
    key: PRNGKeyArray, batch_size: int, latent_dim: int, axis_name: str | None
) -> Float[Array, "batch latent"]:
    """Standard normal noise keyed by each example's place in the global batch.

    The same example gets the same noise however many devices share the batch.
    """
    rows = jnp.arange(batch_size)
    if axis_name is not None:
        rows = rows + jax.lax.axis_index(axis_name) * batch_size
    return jax.vmap(lambda row: jax.random.normal(jax.random.fold_in(key, row), (latent_dim,)))(rows)
