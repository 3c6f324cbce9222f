"""The censor's training step: it learns to carry first codes over, and pays for what its own codes tell."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, PyTree

from conceal_jax.attributes import AttributeSet
from conceal_jax.config import Config, ObjectiveConfig
from conceal_jax.models.bottleneck import Posterior
from conceal_jax.models.censor import Censor
from conceal_jax.objective import rate_per_dimension, rate_weight, update_multiplier
from conceal_jax.penalties import contrastive_information, hsic, marginal_kl, moment_mismatch
from conceal_jax.training.adversary import Adversaries, AdversaryState
from conceal_jax.training.devices import device_count, example_noise, gathered, psum
from conceal_jax.training.kept import kept_skills
from conceal_jax.training.metrics import Sums, masked_sums
from conceal_jax.training.parallel import Step
from conceal_jax.training.state import TrainState

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
        state: of the censor's parameters, {"censor": ...}.
        batch: {"code": float32 [B, D], "curvature": float32 [B, D], "labels": {name: [B]}, "mask": bool [B]}; this
            device's share; see `CodeSet`.
        censor, attributes, config, optimizer: what is trained, and how.
        axis_name: of the devices that share the batch, if several do.

    Returns:
        The state after the updates, and sums over the censor's part of the whole batch of all devices.
    """
    adversaries = create_adversaries(config, attributes)
    noise = example_noise(state.key(5), len(batch["mask"]), censor.bottleneck.latent_dim, axis_name)
    shares = _parts((batch, noise), batch_parts(config))
    see = partial(_forward, censor=censor, attributes=attributes)
    adversary, read = state.adversary, jnp.zeros(())
    for share, share_noise in shares[1:]:
        _, views = see(state.params, share, share_noise)
        adversary, read = adversaries.learn(adversary, views, share["labels"], share["mask"], axis_name)
    batch, noise = shares[0]
    mask = batch["mask"]
    objective = censor_objective(config)
    weight = rate_weight(state.log_beta, state.step, objective)
    count = jnp.maximum(psum(jnp.sum(mask, dtype=jnp.float32), axis_name), 1.0)
    ramp = _ramp(state.step, config.penalty.warmup_steps)

    def loss(params: PyTree) -> tuple[Array, dict[str, Array]]:
        terms, views = see(params, batch, noise)
        # Without its neutral part the decoder would learn to show nothing at all under the neutral label, as no
        # adversary can read that. With too much of it codes tell again what the label does not.
        per_example = terms["reconstruction"] + config.censor.neutral * terms["neutral_reconstruction"]
        per_example += weight * terms["rate"]
        if "reader" in params:
            readable = kept_skills(params["reader"], views["decoded"], batch["labels"], mask, attributes, axis_name)
            terms |= {f"kept_{name}": each for name, each in readable.items()}
            per_example -= config.censor.kept * sum(readable.values())
        if adversary is not None:
            charge, skills = adversaries.charge(adversary, views, batch["labels"], mask, axis_name)
            terms |= {f"skill_{name}": each for name, each in skills.items()}
            per_example += ramp * config.penalty.adversary * charge
        posterior = terms.pop("posterior")
        closed = ramp * _closed_forms(views["codes"], posterior, batch, attributes, config, axis_name)
        terms["loss"] = per_example + closed
        total = jnp.sum(jnp.where(mask, per_example, 0.0)) / count + closed / device_count(axis_name)
        # Per number, so that learning rate and clipping mean the same whatever a code's length is.
        return total / censor.first_dim, terms

    gradients, terms = jax.grad(loss, has_aux=True)(state.params)
    gradients = psum(gradients, axis_name)
    updates, opt_state = optimizer.update(gradients, state.opt_state, state.params)
    params = optax.apply_updates(state.params, updates)
    terms |= {"rate_weight": jnp.broadcast_to(weight, mask.shape)}
    terms |= {"gradient_norm": jnp.broadcast_to(optax.tree.norm(gradients), mask.shape)}
    sums = masked_sums(terms, mask, state.step, axis_name)
    if adversary is not None:
        skills = jnp.stack([sums.totals[f"skill_{spec.name}"] for spec in attributes.concealed]) / count
        adversary = adversaries.raised(adversaries.restart(adversary, read, state.step, state.key(8)), skills)
    new_state = state.replace(
        step=state.step + 1,
        params=params,
        # The adversaries played against these weights, not against their average.
        ema_params=params,
        opt_state=opt_state,
        log_beta=update_multiplier(state.log_beta, sums.totals["rate"] / count, objective),
        adversary=adversary,
    )
    return new_state, sums


def bind_censor_step(
    censor: Censor, attributes: AttributeSet, optimizer: optax.GradientTransformation, config: Config
) -> Step:
    """`censor_step` of a run: a function of state, batch and `axis_name`."""
    return partial(censor_step, censor=censor, attributes=attributes, config=config, optimizer=optimizer)


def create_adversaries(config: Config, attributes: AttributeSet) -> Adversaries:
    """The adversaries of a run: of released codes, and of what the censor decodes from them under the neutral label."""
    latent_dim = len(config.censor.levels) or config.censor.latent_dim
    return Adversaries(config, attributes, {"codes": latent_dim, "decoded": config.model.latent_dim})


def begin_adversaries(config: Config, attributes: AttributeSet) -> AdversaryState | None:
    """The adversaries' first state; None where the penalty does not ask for them."""
    if not config.penalty.adversary:
        return None
    return create_adversaries(config, attributes).begin(jax.random.fold_in(jax.random.key(config.seed), 6))


def batch_parts(config: Config) -> int:
    """How many batches a step takes: the censor's own, and one for each update of the adversaries."""
    return 1 + (config.adversary.updates if config.penalty.adversary else 0)


def censor_objective(config: Config) -> ObjectiveConfig:
    """The rate's weight, as in the first stage but by the censor's own settings."""
    settings = config.censor
    return ObjectiveConfig(
        beta=settings.beta,
        rate_target=settings.rate_target,
        multiplier_rate=config.objective.multiplier_rate,
    )


def _parts(tree: PyTree, count: int) -> list[Any]:
    """A batch in parts; interleaved, so that every device has the same share of each."""
    return [jax.tree.map(lambda leaf, i=i: leaf[i::count], tree) for i in range(count)]


def _forward(
    params: PyTree, batch: Batch, noise: Array, *, censor: Censor, attributes: AttributeSet
) -> tuple[dict[str, Any], dict[str, Array]]:
    """The terms of the objective by example, the posterior among them, and what adversaries see."""
    bound = partial(censor.apply, {"params": params["censor"]})
    posterior: Any = bound(batch["code"], method="encode")
    codes: Any = bound(posterior, noise, method="sample")
    own = attributes.encode(batch["labels"])
    neutral = jnp.broadcast_to(attributes.neutral_vector(), own.shape)

    def reconstruction(decoded: Any) -> Array:
        return 0.5 * jnp.sum(batch["curvature"] * jnp.square(decoded - batch["code"]), axis=-1)

    concealed = bound(codes, neutral, method="decode")
    terms = {
        "reconstruction": reconstruction(bound(codes, own, method="decode")),
        "neutral_reconstruction": reconstruction(concealed),
        "rate": rate_per_dimension(posterior).sum(axis=-1),
        "posterior": posterior,
    }
    return terms, {"codes": codes, "decoded": concealed}


def _closed_forms(
    codes: Float[Array, "batch latent"],
    posterior: Posterior,
    batch: Batch,
    attributes: AttributeSet,
    config: Config,
    axis_name: str | None,
) -> Float[Array, ""]:
    """The penalties that need the whole batch at once, in nats; every device computes all of them."""
    penalty = config.penalty
    whole = gathered((codes, posterior, batch["labels"], batch["mask"]), axis_name)
    codes, posterior, labels, mask = whole
    weights = penalty.attribute_weights or (1.0,) * len(attributes.concealed)
    total = jnp.zeros(())
    if penalty.hsic:
        total += penalty.hsic * _weighted(hsic(codes, labels, mask, attributes), weights)
    if penalty.moments:
        total += penalty.moments * _weighted(moment_mismatch(codes, labels, mask, attributes), weights)
    if penalty.contrastive:
        told = contrastive_information(codes, posterior, labels, mask, attributes)
        total += penalty.contrastive * _weighted(told, weights)
    if penalty.marginal_kl:
        total += penalty.marginal_kl * marginal_kl(posterior, mask)
    return total


def _weighted(estimates: dict[str, Float[Array, ""]], weights: tuple[float, ...]) -> Float[Array, ""]:
    each = [weight * estimate for weight, estimate in zip(weights, estimates.values(), strict=True)]
    return jnp.sum(jnp.stack(each))


def _ramp(step: Array, warmup_steps: int) -> Array:
    return jnp.minimum(1.0, (step + 1) / warmup_steps) if warmup_steps else jnp.ones(())
