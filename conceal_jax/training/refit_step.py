"""The refit's training step: one update of the decoders, on pictures whose codes no longer change."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, PyTree

from conceal_jax.attributes import AttributeSet
from conceal_jax.config import Config
from conceal_jax.models.vae import VAE
from conceal_jax.runtime.collectives import example_noise, psum
from conceal_jax.runtime.parallel import Step
from conceal_jax.runtime.randomness import Stream
from conceal_jax.training.accumulation import accumulated_gradients
from conceal_jax.training.loss_terms import batch_count, broadcast, in_unit_range, masked_mean, picture_terms
from conceal_jax.training.metrics import Sums, masked_sums
from conceal_jax.training.parameter_split import joined
from conceal_jax.training.state import TrainState, updated

NEUTRAL_SHARE = 0.25
"""Of the examples that are decoded under the neutral label."""


def refit_step(
    state: TrainState,
    batch: dict[str, PyTree],
    *,
    model: VAE,
    attributes: AttributeSet,
    config: Config,
    optimizer: optax.GradientTransformation,
    neutral_share: float = NEUTRAL_SHARE,
    axis_name: str | None = None,
) -> tuple[TrainState, Sums]:
    """One update on one batch.

    Under the neutral label, the teacher's picture takes the photo's place: fitted to the photo, the decoder would draw
    its best guess of it, concealed attributes and all.

    Args:
        state: of the decoders' parameters, with `teacher` and, in `frozen`, the encoders.
        batch: {"image": uint8 [B,H,W,C], "labels": {name: [B]}, "mask": bool [B]}; this device's share.
        model: with its censor.
        attributes, config, optimizer: what is trained, and how.
        neutral_share: of the examples, drawn at random, that are decoded under the neutral label.
        axis_name: of the devices that share the batch, if several do.

    Returns:
        The state after the update, and sums over the whole batch of all devices.
    """
    mask, count = jnp.asarray(batch["mask"]), batch_count(jnp.asarray(batch["mask"]), axis_name)
    noise = example_noise(state.key(Stream.REFIT_NOISE), len(mask), model.latent_dim, axis_name)
    drawn = example_noise(state.key(Stream.NEUTRAL_ROWS), len(mask), 1, axis_name)
    neutral = drawn < jax.scipy.stats.norm.ppf(neutral_share)
    label_vectors = jnp.where(neutral, attributes.neutral_vector(), attributes.encode(batch["labels"]))

    def loss(params: PyTree, examples: PyTree) -> tuple[Float[Array, ""], dict[str, Float[Array, " part"]]]:
        images, label_vectors, neutral, mask, noise = examples
        images = in_unit_range(images)
        output: Any = model.apply({"params": joined(state.frozen, params)}, images, label_vectors, noise)
        teacher = {"params": joined(state.frozen, state.teacher)}
        concealed: Any = model.apply(teacher, output.codes, label_vectors, method="decode")
        images = jnp.where(neutral[..., None, None], concealed, images)
        terms = picture_terms(output, images, config.objective)
        terms["loss"] = terms["reconstruction"]
        # Per pixel value, so that learning rate and clipping mean the same at every picture size.
        return masked_mean(terms["loss"], mask, count) / images[0].size, terms

    examples: tuple[Array, ...] = (jnp.asarray(batch["image"]), label_vectors, neutral, mask, noise)
    gradients, terms = accumulated_gradients(loss, state.params, examples, config.training.microbatches)
    # Each share was divided by the global count, so that the sum over devices is the mean over all examples.
    gradients = psum(gradients, axis_name)
    terms |= broadcast({"gradient_norm": optax.tree.norm(gradients)}, mask)
    return updated(state, gradients, optimizer, config.training.ema_decay), masked_sums(
        terms, mask, state.step, axis_name
    )


def bind_refit_step(
    model: VAE, attributes: AttributeSet, optimizer: optax.GradientTransformation, config: Config
) -> Step:
    """`refit_step` of a run: a function of state, batch and `axis_name`."""
    return partial(refit_step, model=model, attributes=attributes, optimizer=optimizer, config=config)
