"""The censor's training step: it carries the autoencoder's codes over, and pays for what its own codes leak."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, PyTree

from conceal_jax.attributes import AttributeSet
from conceal_jax.config import Config
from conceal_jax.losses.adversarial import AdversaryState, adversarial_charge, create_adversaries, update_adversaries
from conceal_jax.losses.elbo import rate_weight, update_multiplier
from conceal_jax.losses.utility import COLOUR, has_reader, kept_skills, read_colour, utility_payment
from conceal_jax.models.bottleneck import create_bottleneck
from conceal_jax.models.censor import Censor
from conceal_jax.models.vae import create_model
from conceal_jax.runtime.collectives import example_noise, psum
from conceal_jax.runtime.parallel import Step
from conceal_jax.runtime.randomness import Stream, stream_key
from conceal_jax.training.loss_terms import batch_count, broadcast, masked_mean
from conceal_jax.training.metrics import Sums, masked_sums
from conceal_jax.training.state import TrainState, updated

Batch = dict[str, PyTree]


def censor_step(
    state: TrainState,
    batch: Batch,
    *,
    censor: Censor,
    attributes: AttributeSet,
    config: Config,
    optimizer: optax.GradientTransformation,
    axis_name: str | None = None,
) -> tuple[TrainState, Sums]:
    """Several updates of the adversaries, each on other people, and one of the censor on the rest of the batch.

    Args:
        state: of the censor's parameters, {"censor": ...}, beside the first stage's.
        batch: {"code": float32 [B, D], "curvature": float32 [B, D], "labels": {name: [B]}, "mask": bool [B]}; this
            device's share; see `CodeSet`.
        censor, attributes, config, optimizer: what is trained, and how.
        axis_name: of the devices that share the batch, if several do.

    Returns:
        The state after the updates, and sums over the censor's part of the whole batch of all devices.
    """
    shares = _shares(state, batch, censor, config, axis_name)
    forward = partial(_forward, censor=censor, attributes=attributes)
    settings: dict[str, Any] = {"attributes": attributes, "axis_name": axis_name}
    adversary, (batch, noise) = state.adversary, shares[0]
    for share, share_noise in shares[1:]:
        _, views = forward(state.params, share, share_noise)
        adversary = update_adversaries(
            adversary, views, share["labels"], share["mask"], config=config.adversary, **settings
        )
    labels, mask = batch["labels"], batch["mask"]
    weight = rate_weight(state.log_beta, state.step, config.censor.beta, config.censor.rate_target)
    count = batch_count(mask, axis_name)

    def loss(params: PyTree) -> tuple[Array, dict[str, Array]]:
        terms, views = forward(params, batch, noise)
        # Without the neutral part the decoder would show nothing under the neutral label, where no adversary can read.
        per_example = terms["reconstruction"] + config.censor.neutral * terms["neutral_reconstruction"]
        per_example += weight * terms["rate"]
        if "reader" in params:
            readable = kept_skills(params["reader"], views["decoded"], labels, mask, **settings)
            terms |= {f"kept_{name}": each for name, each in readable.items()}
            per_example -= utility_payment(readable, config.censor)
        if adversary is not None:
            charge, skills = adversarial_charge(adversary.params, views, labels, mask, config=config, **settings)
            terms |= {f"skill_{name}": each for name, each in skills.items()}
            per_example += charge
        terms["loss"] = per_example
        # Per dimension, so that learning rate and clipping mean the same whatever a code's length is.
        return masked_mean(per_example, mask, count) / censor.uncensored_dim, terms

    gradients, terms = jax.grad(loss, has_aux=True)(state.params)
    gradients = psum(gradients, axis_name)
    terms |= broadcast({"rate_weight": weight, "gradient_norm": optax.tree.norm(gradients)}, mask)
    sums = masked_sums(terms, mask, state.step, axis_name)
    log_beta = update_multiplier(state.log_beta, sums.totals["rate"] / count, config.censor.rate_target)
    # No average: the adversaries played against the newest weights.
    state = updated(state, gradients, optimizer, ema_decay=0.0)
    return state.replace(log_beta=log_beta, adversary=adversary), sums


def bind_censor_step(
    censor: Censor, attributes: AttributeSet, optimizer: optax.GradientTransformation, config: Config
) -> Step:
    """`censor_step` of a run: a function of state, batch and `axis_name`."""
    return partial(censor_step, censor=censor, attributes=attributes, config=config, optimizer=optimizer)


def begin_adversaries(config: Config, attributes: AttributeSet) -> AdversaryState | None:
    """The adversaries before the first step, one ensemble for each view; None where nothing is paid for them."""
    if not config.penalty.adversary:
        return None
    key = stream_key(config.seed, Stream.ADVERSARY_INITIALISATION)
    return create_adversaries(key, view_lengths(config), config.adversary, attributes.width)


def view_lengths(config: Config) -> dict[str, int]:
    """Lengths of the views that adversaries read: codes, what is decoded under the neutral label, and its colour."""
    lengths = {"codes": create_bottleneck(config.censor).latent_dim, "decoded": config.model.latent_dim}
    return lengths | ({"colour": len(COLOUR)} if has_reader(config.censor) else {})


def batch_parts(config: Config) -> int:
    """How many batches a step takes: the censor's own, and one for each update of the adversaries."""
    return 1 + (config.adversary.updates if config.penalty.adversary else 0)


def _shares(
    state: TrainState, batch: Batch, censor: Censor, config: Config, axis_name: str | None
) -> list[tuple[Batch, Array]]:
    """The batch, with the labels that its codes let expect, and its noise, in the parts that each update learns from.

    They are interleaved, so that every device has the same share of each.
    """
    size, count = len(batch["mask"]), batch_parts(config)
    noise = example_noise(state.key(Stream.CENSOR_NOISE), size, censor.bottleneck.code.latent_dim, axis_name)
    recognised = create_model(config).apply({"params": state.frozen}, batch["code"], method="recognise")
    whole = (batch | {"recognised": recognised}, noise)
    return [jax.tree.map(lambda leaf, i=i: leaf[i::count], whole) for i in range(count)]


def _forward(
    params: PyTree, batch: Batch, noise: Array, *, censor: Censor, attributes: AttributeSet
) -> tuple[dict[str, Array], dict[str, Array]]:
    """The terms of the objective by example, and what adversaries read."""
    bound = partial(censor.apply, {"params": params["censor"]})
    posterior: Any = bound(batch["code"], batch["recognised"], method="encode")
    codes: Any = bound(posterior, noise, method="sample")
    own = attributes.encode(batch["labels"])
    neutral = jnp.broadcast_to(attributes.neutral_vector(), own.shape)

    def reconstruction(decoded: Any) -> Array:
        return 0.5 * jnp.sum(batch["curvature"] * jnp.square(decoded - batch["code"]), axis=-1)

    concealed: Any = bound(codes, neutral, method="decode")
    terms = {
        "reconstruction": reconstruction(bound(codes, own, method="decode")),
        "neutral_reconstruction": reconstruction(concealed),
        "rate": censor.bottleneck.code.rate(posterior).sum(axis=-1),
    }
    views = {"codes": codes, "decoded": concealed}
    if "reader" in params:
        views["colour"] = read_colour(params["reader"], concealed, attributes)
    return terms, views
