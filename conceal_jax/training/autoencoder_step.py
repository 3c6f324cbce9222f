"""The autoencoder's training step: one update of the VAE on one batch of pictures."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import flax.struct
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, PyTree

from conceal_jax.attributes import AttributeSet
from conceal_jax.config import Config
from conceal_jax.losses.dependence import charge
from conceal_jax.losses.elbo import objective_value, rate_weight, update_multiplier
from conceal_jax.losses.skill import skill
from conceal_jax.models.vae import VAE
from conceal_jax.runtime.collectives import device_count, example_noise, gathered, psum
from conceal_jax.runtime.parallel import Step
from conceal_jax.runtime.randomness import Stream
from conceal_jax.training.accumulation import accumulated_gradients
from conceal_jax.training.loss_terms import batch_count, broadcast, in_unit_range, masked_mean, picture_terms
from conceal_jax.training.metrics import Sums, masked_sums
from conceal_jax.training.state import TrainState, updated

Batch = dict[str, PyTree]


class Weights(flax.struct.PyTreeNode):
    """The weights of the objective, numbers that may be traced.

    Attributes:
        beta: of the rate; the starting value where there is a target.
        rate_target: nats; None for a fixed beta.
        penalties: of the closed forms that are charged, by name (`PenaltyConfig.closed_forms`).
    """

    beta: Any
    rate_target: Any
    penalties: Mapping[str, Any]


def weights_of(config: Config) -> Weights:
    """The weights that a configuration gives."""
    return Weights(config.objective.beta, config.objective.rate_target, config.penalty.closed_forms)


def autoencoder_step(
    state: TrainState,
    batch: Batch,
    *,
    model: VAE,
    attributes: AttributeSet,
    config: Config,
    optimizer: optax.GradientTransformation,
    weights: Weights | None = None,
    axis_name: str | None = None,
) -> tuple[TrainState, Sums]:
    """One update on one batch.

    Args:
        state: before the update.
        batch: {"image": uint8 [B,H,W,C], "labels": {name: [B]}, "mask": bool [B]}; this device's share.
        model: without a censor; the numbers of its bottleneck may be traced.
        attributes, config, optimizer: what is trained, and how.
        weights: in place of the configuration's.
        axis_name: of the devices that share the batch, if several do.

    Returns:
        The state after the update, and sums over the whole batch of all devices.
    """
    weights = weights_of(config) if weights is None else weights
    mask, count = jnp.asarray(batch["mask"]), batch_count(jnp.asarray(batch["mask"]), axis_name)
    noise = example_noise(state.key(Stream.CODE_NOISE), len(mask), model.latent_dim, axis_name)
    beta = rate_weight(state.log_beta, state.step, weights.beta, weights.rate_target, config.objective.warmup_steps)
    penalty = partial(_penalty, weights=weights, attributes=attributes, config=config, axis_name=axis_name)

    def loss(params: PyTree, examples: PyTree) -> tuple[Float[Array, ""], dict[str, Float[Array, " part"]]]:
        images, labels, mask, noise = examples
        images = in_unit_range(images)
        output: Any = model.apply({"params": params}, images, attributes.encode(labels), noise)
        terms = picture_terms(output, images, config.objective)
        recognised = _recognised(output.recognised, labels, attributes)
        per_example = objective_value(terms, beta) - config.objective.recognition * sum(recognised.values())
        paid = penalty(output, labels, mask)
        total = masked_mean(per_example, mask, count) + paid / device_count(axis_name)
        terms |= {f"recognised_{name}": each for name, each in recognised.items()} | {"loss": per_example + paid}
        # Per pixel value, so that learning rate and clipping mean the same at every picture size.
        return total / images[0].size, terms

    examples = (jnp.asarray(batch["image"]), batch["labels"], mask, noise)
    gradients, terms = accumulated_gradients(loss, state.params, examples, config.training.microbatches)
    # Each share was divided by the global count, so that the sum over devices is the mean over all examples.
    gradients = psum(gradients, axis_name)
    terms |= broadcast({"rate_weight": beta, "gradient_norm": optax.tree.norm(gradients)}, mask)
    sums = masked_sums(terms, mask, state.step, axis_name)
    log_beta = update_multiplier(state.log_beta, sums.totals["rate"] / count, weights.rate_target)
    state = updated(state, gradients, optimizer, config.training.ema_decay)
    return state.replace(log_beta=log_beta), sums


def bind_autoencoder_step(
    model: VAE, attributes: AttributeSet, optimizer: optax.GradientTransformation, config: Config
) -> Step:
    """`autoencoder_step` of a run: a function of state, batch and `axis_name`."""
    return partial(autoencoder_step, model=model, attributes=attributes, optimizer=optimizer, config=config)


def _recognised(logits: Array | None, labels: Any, attributes: AttributeSet) -> dict[str, Array]:
    """How well each concealed attribute is recognised, example by example; nothing where nothing recognises them."""
    if logits is None:
        return {}
    return {name: each[0] for name, each in skill(logits[None], labels, attributes.concealed).items()}


def _penalty(
    output: Any,
    labels: Any,
    mask: Array,
    *,
    weights: Weights,
    attributes: AttributeSet,
    config: Config,
    axis_name: str | None,
) -> Float[Array, ""]:
    """The closed-form penalties of the whole batch, in nats."""
    if not weights.penalties:
        return jnp.zeros(())
    codes, posterior, labels, mask = gathered((output.codes, output.posterior, labels, mask), axis_name)
    return charge(weights.penalties, codes, posterior, labels, mask, attributes, config.penalty.attribute_weights)
