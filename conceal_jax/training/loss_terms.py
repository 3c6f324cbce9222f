"""What training steps share: the terms of the pictures' loss, and means over a batch that devices share."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from conceal_jax.config import ObjectiveConfig
from conceal_jax.losses.elbo import objective_terms
from conceal_jax.runtime.collectives import psum
from conceal_jax.training.metrics import psnr


def in_unit_range(images: Any) -> Float[Array, "batch height width channels"]:
    """Pictures of uint8 as float32 in [0, 1]."""
    return jnp.asarray(images, jnp.float32) / 255.0


def picture_terms(output: Any, images: Array, objective: ObjectiveConfig) -> dict[str, Float[Array, " batch"]]:
    """Of each picture, the terms of the objective in nats (`objective_terms`), and the PSNR in dB.

    Args:
        output: of the model (`models.vae.Output`).
        images: float32 [B, H, W, C] in [0, 1], which it is to draw.
        objective: of the run.
    """
    return objective_terms(output, images, objective) | {"psnr_db": psnr(images, jax.nn.sigmoid(output.logits))}


def batch_count(mask: Bool[Array, " batch"], axis_name: str | None) -> Float[Array, ""]:
    """Examples of a batch over all devices; 1 for padding alone, which has nothing to divide by."""
    return jnp.maximum(psum(jnp.sum(mask, dtype=jnp.float32), axis_name), 1.0)


def masked_mean(
    values: Float[Array, " batch"], mask: Bool[Array, " batch"], count: Float[Array, ""]
) -> Float[Array, ""]:
    """This device's part of a mean over `batch_count` examples; the parts of all devices add up to it."""
    return jnp.sum(jnp.where(mask, values, 0.0)) / count


def broadcast(figures: Mapping[str, Float[Array, ""]], mask: Bool[Array, " batch"]) -> dict[str, Array]:
    """Figures of a step as if they were of each example, so that they are summed and averaged like all others."""
    return {name: jnp.broadcast_to(value, mask.shape) for name, value in figures.items()}
