"""The training step and the evaluation step: pure functions of state and batch."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, PRNGKeyArray, PyTree

from conceal_jax.attributes import AttributeSet
from conceal_jax.config import Config, ObjectiveConfig, PenaltyConfig
from conceal_jax.losses.dependence import charge
from conceal_jax.losses.elbo import Number, objective_terms, objective_value, rate_weight, update_multiplier
from conceal_jax.losses.skill import skill
from conceal_jax.models.bottleneck import Posterior
from conceal_jax.models.vae import VAE
from conceal_jax.runtime.collectives import device_count, example_noise, gathered, psum
from conceal_jax.runtime.randomness import Stream
from conceal_jax.training.accumulation import accumulated_gradients
from conceal_jax.training.metrics import Sums, masked_sums, psnr, ssim
from conceal_jax.training.parameters import joined
from conceal_jax.training.state import TrainState, updated

Batch = dict[str, PyTree]

Charge = Callable[..., Float[Array, ""]]
"""Of codes, posterior, labels and mask of a whole batch: what it pays besides, in nats."""


def train_step(
    state: TrainState,
    batch: Batch,
    *,
    model: VAE,
    attributes: AttributeSet,
    objective: ObjectiveConfig,
    optimizer: optax.GradientTransformation,
    ema_decay: float,
    beta: Number,
    rate_target: Number | None = None,
    penalties: Charge | None = None,
    microbatches: int = 1,
    neutral_share: float = 0.0,
    axis_name: str | None = None,
) -> tuple[TrainState, Sums]:
    """One update on one batch.

    Args:
        state: before the update.
        batch: {"image": uint8 [B,H,W,C], "labels": {name: [B]}, "mask": bool [B]}; this device's share.
        model, attributes, objective, optimizer, ema_decay: what is trained, and how.
        beta, rate_target: in place of the objective's; may be traced, and so may the numbers of the model's bottleneck.
        penalties: what codes pay for what they tell; needs the batch in one part.
        microbatches: parts of the share that are computed one after the other; see `accumulated_gradients`.
        neutral_share: of the examples that are decoded under the neutral label, to be drawn as `state.teacher` does.
        axis_name: of the devices that share the batch, if several do.

    Returns:
        The state after the update, and sums over the whole batch of all devices.
    """
    label_vectors, mask = attributes.encode(batch["labels"]), jnp.asarray(batch["mask"])
    noise = example_noise(
        state.key(Stream.REFIT_NOISE if neutral_share else Stream.CODE_NOISE), len(mask), model.latent_dim, axis_name
    )
    untold = _drawn_rows(state.key(Stream.NEUTRAL_ROWS), len(mask), neutral_share, axis_name)
    label_vectors = jnp.where(untold, attributes.neutral_vector(), label_vectors)
    weight = rate_weight(state.log_beta, state.step, beta, rate_target, objective.warmup_steps)
    count = psum(jnp.sum(mask, dtype=jnp.float32), axis_name)

    def loss(params: PyTree, examples: PyTree) -> tuple[Float[Array, ""], dict[str, Float[Array, " part"]]]:
        images, label_vectors, untold, noise, mask, labels = examples
        images = _in_unit_range(images)
        output: Any = model.apply({"params": joined(state.frozen, params)}, images, label_vectors, noise)
        if neutral_share:
            # Fitted to the photo, it would draw its best guess of it, concealed attributes and all.
            teacher = {"params": joined(state.frozen, state.teacher)}
            drawn: Any = model.apply(teacher, output.codes, label_vectors, method="decode")
            images = jnp.where(untold[..., None, None], drawn, images)
        terms = objective_terms(output, images, objective)
        per_example = objective_value(terms, weight)
        if output.recognised is not None:
            skills = skill(output.recognised[None], labels, attributes.concealed)
            terms |= {f"recognised_{name}": each[0] for name, each in skills.items()}
            per_example -= objective.recognition * jnp.stack([*skills.values()]).sum(axis=(0, 1))
        # Per pixel value, so that learning rate and clipping mean the same at every picture size.
        total = jnp.sum(jnp.where(mask, per_example, 0.0)) / images[0].size
        # A batch of padding alone (one device's share of a tail) has nothing to divide by.
        total /= jnp.maximum(count, 1.0)
        if penalties is not None:
            whole = gathered((output.codes, output.posterior, labels, mask), axis_name)
            paid = penalties(*whole)
            per_example += paid
            total += paid / device_count(axis_name) / images[0].size
        terms = {**terms, "loss": per_example, "psnr_db": psnr(images, jax.nn.sigmoid(output.logits))}
        return total, terms

    examples = (jnp.asarray(batch["image"]), label_vectors, untold, noise, mask, batch["labels"])
    gradients, terms = accumulated_gradients(loss, state.params, examples, microbatches)
    # Each share was divided by the global count, so that the sum over devices is the mean over all examples.
    gradients = psum(gradients, axis_name)
    per_example = {
        **terms,
        "rate_weight": jnp.broadcast_to(weight, mask.shape),
        "gradient_norm": jnp.broadcast_to(optax.tree.norm(gradients), mask.shape),
    }
    sums = masked_sums(per_example, mask, state.step, axis_name)
    mean_rate = sums.totals["rate"] / jnp.maximum(sums.count, 1.0)
    log_beta = update_multiplier(state.log_beta, mean_rate, rate_target)
    return updated(state, gradients, optimizer, ema_decay).replace(log_beta=log_beta), sums


def bind_train_step(
    model: VAE,
    attributes: AttributeSet,
    optimizer: optax.GradientTransformation,
    config: Config,
    neutral_share: float = 0.0,
) -> Callable[..., tuple[TrainState, Sums]]:
    """`train_step` of a run: a function of state, batch and `axis_name`."""
    weights = config.penalty.closed_forms
    return partial(
        train_step,
        model=model,
        attributes=attributes,
        objective=config.objective,
        beta=config.objective.beta,
        rate_target=config.objective.rate_target,
        penalties=bind_charge(weights, attributes, config.penalty) if weights else None,
        optimizer=optimizer,
        ema_decay=config.training.ema_decay,
        microbatches=config.training.microbatches,
        neutral_share=neutral_share,
    )


def bind_charge(weights: Mapping[str, Any], attributes: AttributeSet, penalty: PenaltyConfig) -> Charge:
    """The closed-form penalties of a batch at a step.

    Args:
        weights: of those that are charged, by name (`PenaltyConfig.closed_forms`); may be traced.
        attributes: whose concealed ones they are about.
        penalty: the weights of attributes.
    """

    def of_batch(codes: Array, posterior: Posterior, labels: Any, mask: Array) -> Array:
        return charge(weights, codes, posterior, labels, mask, attributes, penalty.attribute_weights)

    return of_batch


def evaluation_step(
    params: PyTree,
    batch: Batch,
    key: PRNGKeyArray,
    *,
    model: VAE,
    attributes: AttributeSet,
    objective: ObjectiveConfig,
) -> Sums:
    """Reconstruction, rate and picture quality of a batch, on sampled codes under the pictures' own labels."""
    images, mask = _in_unit_range(batch["image"]), jnp.asarray(batch["mask"])
    label_vectors = attributes.encode(batch["labels"])
    noise = example_noise(key, len(mask), model.latent_dim, None)
    output: Any = model.apply({"params": params}, images, label_vectors, noise)
    terms = objective_terms(output, images, objective)
    decoded = jax.nn.sigmoid(output.logits)
    values = {
        "reconstruction": terms["reconstruction"],
        "rate": terms["rate"],
        "psnr_db": psnr(images, decoded),
        "ssim": ssim(images, decoded),
    }
    return masked_sums(values, mask, jnp.int32(0))


def _drawn_rows(key: PRNGKeyArray, count: int, share: float, axis_name: str | None) -> Bool[Array, "batch 1"]:
    """Each row with this probability."""
    if not share:
        return jnp.zeros((count, 1), bool)
    return example_noise(key, count, 1, axis_name) < jax.scipy.stats.norm.ppf(share)


def _in_unit_range(images: Array) -> Array:
    return jnp.asarray(images, jnp.float32) / 255.0
