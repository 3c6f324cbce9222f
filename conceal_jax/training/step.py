"""The training step and the evaluation step: pure functions of state and batch."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from conceal_jax.attributes import AttributeSet
from conceal_jax.config import Config, ObjectiveConfig
from conceal_jax.models.vae import VAE
from conceal_jax.objective import objective_terms, objective_value, rate_weight, update_multiplier
from conceal_jax.training.accumulation import accumulated_gradients
from conceal_jax.training.devices import example_noise, psum
from conceal_jax.training.metrics import Sums, masked_sums, psnr, ssim
from conceal_jax.training.parameters import joined
from conceal_jax.training.state import TrainState

Batch = dict[str, PyTree]


def train_step(
    state: TrainState,
    batch: Batch,
    *,
    model: VAE,
    attributes: AttributeSet,
    objective: ObjectiveConfig,
    optimizer: optax.GradientTransformation,
    ema_decay: float,
    microbatches: int = 1,
    neutral_share: float = 0.0,
    axis_name: str | None = None,
) -> tuple[TrainState, Sums]:
    """One update on one batch.

    Args:
        state: before the update.
        batch: {"image": uint8 [B,H,W,C], "labels": {name: [B]}, "mask": bool [B]}; this device's share.
        model, attributes, objective, optimizer, ema_decay: what is trained, and how.
        microbatches: parts of the share that are computed one after the other; see `accumulated_gradients`.
        neutral_share: of the examples that are decoded under the neutral label, so that the decoder learns what to
            expect where labels are not told.
        axis_name: of the devices that share the batch, if several do.

    Returns:
        The state after the update, and sums over the whole batch of all devices.
    """
    label_vectors, mask = attributes.encode(batch["labels"]), jnp.asarray(batch["mask"])
    noise = example_noise(state.key(1), len(mask), model.latent_dim, axis_name)
    if neutral_share:
        drawn = example_noise(state.key(7), len(mask), 1, axis_name)
        untold = drawn < jax.scipy.stats.norm.ppf(neutral_share)
        label_vectors = jnp.where(untold, attributes.neutral_vector(), label_vectors)
    weight = rate_weight(state.log_beta, state.step, objective)
    count = psum(jnp.sum(mask, dtype=jnp.float32), axis_name)

    def loss(params: PyTree, examples: PyTree) -> tuple[Float[Array, ""], dict[str, Float[Array, " part"]]]:
        images, label_vectors, noise, mask = examples
        images = _in_unit_range(images)
        output: Any = model.apply({"params": joined(state.frozen, params)}, images, label_vectors, noise)
        terms = objective_terms(output, images, objective)
        per_example = objective_value(terms, weight)
        # Per pixel value, so that learning rate and clipping mean the same at every picture size.
        total = jnp.sum(jnp.where(mask, per_example, 0.0)) / images[0].size
        terms = {**terms, "loss": per_example, "psnr_db": psnr(images, jax.nn.sigmoid(output.logits))}
        # A batch of padding alone (one device's share of a tail) has nothing to divide by.
        return total / jnp.maximum(count, 1.0), terms

    examples = (jnp.asarray(batch["image"]), label_vectors, noise, mask)
    gradients, terms = accumulated_gradients(loss, state.params, examples, microbatches)
    # Each share was divided by the global count, so that the sum over devices is the mean over all examples.
    gradients = psum(gradients, axis_name)
    updates, opt_state = optimizer.update(gradients, state.opt_state, state.params)
    params = optax.apply_updates(state.params, updates)
    per_example = {
        **{name: value for name, value in terms.items() if name != "charged_rate"},
        "rate_weight": jnp.broadcast_to(weight, mask.shape),
        "gradient_norm": jnp.broadcast_to(optax.tree.norm(gradients), mask.shape),
    }
    sums = masked_sums(per_example, mask, state.step, axis_name)
    mean_rate = sums.totals["rate"] / jnp.maximum(sums.count, 1.0)
    new_state = state.replace(
        step=state.step + 1,
        params=params,
        ema_params=optax.incremental_update(params, state.ema_params, 1.0 - _ema_decay(state.step, ema_decay)),
        opt_state=opt_state,
        log_beta=update_multiplier(state.log_beta, mean_rate, objective),
    )
    return new_state, sums


def bind_train_step(
    model: VAE,
    attributes: AttributeSet,
    optimizer: optax.GradientTransformation,
    config: Config,
    neutral_share: float = 0.0,
) -> Callable[..., tuple[TrainState, Sums]]:
    """`train_step` of a run: a function of state, batch and `axis_name`."""
    return partial(
        train_step,
        model=model,
        attributes=attributes,
        objective=config.objective,
        optimizer=optimizer,
        ema_decay=config.training.ema_decay,
        microbatches=config.training.microbatches,
        neutral_share=neutral_share,
    )


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


def _in_unit_range(images: Array) -> Array:
    return jnp.asarray(images, jnp.float32) / 255.0


def _ema_decay(step: Int[Array, ""], decay: float) -> Float[Array, ""]:
    """Averages over fewer steps at first, so that the random start is forgotten (as in TensorFlow's moving average)."""
    return jnp.minimum(decay, (1.0 + step) / (10.0 + step))
