"""Models as pure functions of their hyper-parameters, for jit, vmap and grad."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from conceal_jax.attributes import AttributeSet
from conceal_jax.config import Config
from conceal_jax.data.order import epoch_order, steps_per_epoch
from conceal_jax.data.resident import Resident
from conceal_jax.losses.dependence import contrastive_information
from conceal_jax.models.bottleneck import Bottleneck, BottleneckLayer, Posterior, create_bottleneck
from conceal_jax.models.vae import VAE, create_model, init_params
from conceal_jax.runtime.collectives import example_noise
from conceal_jax.runtime.randomness import Stream, stream_key
from conceal_jax.training.autoencoder_step import Batch, Weights, autoencoder_step
from conceal_jax.training.metrics import Sums, psnr, ssim
from conceal_jax.training.state import TrainState, begin, create_optimizer


class Member(flax.struct.PyTreeNode):
    """What may differ among models of one compiled program: numbers, traced ones too, or arrays of several members.

    Attributes:
        bottleneck: of the code; its numbers may differ, its shapes may not.
        beta: the rate's weight, its starting value where there is a target.
        rate_target: nats; None for a fixed beta, which may not differ.
        penalties: by name, weights of the closed forms that are charged (`PenaltyConfig.closed_forms`).
        seed: of parameters, noise and the order of the pictures.
    """

    bottleneck: Bottleneck
    beta: Any
    rate_target: Any
    penalties: dict[str, Any]
    seed: Any


class Measures(flax.struct.PyTreeNode):
    """Rate, distortion and leakage of a model on a batch.

    Attributes:
        rates: float32 [L], nats of each dimension of the code.
        psnr_db, ssim: of pictures decoded under their own labels.
        leakage: by concealed attribute, nats (`conceal_jax.losses.dependence.contrastive_information`).
    """

    rates: Any
    psnr_db: Any
    ssim: Any
    leakage: dict[str, Any]


class Encoded(flax.struct.PyTreeNode):
    """Codes of pictures, their posteriors and rates, and the distortion of what is decoded from them."""

    codes: Any
    mean: Any
    log_variance: Any
    rates: Any
    psnr_db: Any
    ssim: Any


def member_of(config: Config) -> Member:
    """The member that a configuration without a censor describes."""
    return Member(
        bottleneck=create_bottleneck(config.model),
        beta=config.objective.beta,
        rate_target=config.objective.rate_target,
        penalties=config.penalty.closed_forms,
        seed=config.seed,
    )


def shape_of(config: Config) -> tuple[Config, Any]:
    """Equal, and hashable, for configurations whose members can be stacked."""
    rest = dataclasses.replace(
        config,
        seed=0,
        model=dataclasses.replace(config.model, noise=1.0),
        objective=dataclasses.replace(config.objective, beta=1.0, rate_target=None),
        penalty=dataclasses.replace(config.penalty, hsic=0.0, moments=0.0, contrastive=0.0, marginal_kl=0.0),
    )
    return rest, jax.tree.structure(member_of(config))


def stacked(members: Sequence[Member]) -> Member:
    """Members of one shape as one, whose numbers are arrays [members]."""
    return jax.tree.map(lambda *numbers: jnp.stack([jnp.asarray(number) for number in numbers]), *members)


def model_of(member: Member, config: Config) -> VAE:
    """The model with the member's bottleneck."""
    return create_model(config, censored=False).clone(bottleneck=BottleneckLayer(member.bottleneck))


def begin_member(
    member: Member, *, config: Config, optimizer: optax.GradientTransformation | None = None
) -> TrainState:
    """The state before the first update, as `conceal train` draws it for the same seed."""
    # Nothing traced is needed to draw parameters, and Flax hashes the modules that are initialised.
    model, key = create_model(config, censored=False), stream_key(member.seed, Stream.INITIALISATION)
    chosen = optimizer or create_optimizer(config.training)
    return begin(init_params(model, config, key), {}, chosen, member.beta, member.seed)


def update(
    state: TrainState,
    member: Member,
    batch: Batch,
    *,
    config: Config,
    attributes: AttributeSet,
    optimizer: optax.GradientTransformation | None = None,
) -> tuple[TrainState, Sums]:
    """One update on one batch, as `conceal train` makes it; see `autoencoder_step`.

    Args:
        state: before the update.
        member: its hyper-parameters, in place of those in `config`.
        batch: {"image": uint8 [B,H,W,C], "labels": {name: [B]}, "mask": bool [B]}.
        config, attributes: all that is not the member's.
        optimizer: in place of the one that `config` describes.
    """
    return autoencoder_step(
        state,
        batch,
        model=model_of(member, config),
        attributes=attributes,
        config=config,
        optimizer=optimizer or create_optimizer(config.training),
        weights=Weights(member.beta, member.rate_target, member.penalties),
    )


def train(
    member: Member,
    items: Resident,
    *,
    config: Config,
    attributes: AttributeSet,
    optimizer: optax.GradientTransformation | None = None,
) -> tuple[TrainState, Sums]:
    """All updates in one expression, which can be mapped over members and differentiated by their numbers.

    Derivatives through Adam need an optimiser whose square root has one at 0: `optax.adam(..., eps_root=1e-8)`.

    Args:
        member: its hyper-parameters.
        items: pictures and labels.
        config, attributes, optimizer: as for `update`; `config.training.steps` and `.batch_size` count.

    Returns:
        The last state, and sums of every step, [steps].
    """
    size, batch_size = len(items.valid), config.training.batch_size
    per_epoch = steps_per_epoch(size, batch_size)

    def body(state: TrainState, _: None) -> tuple[TrainState, Sums]:
        order, flip = epoch_order(member.seed, state.step // per_epoch, size)
        rows = state.step % per_epoch * batch_size + jnp.arange(batch_size, dtype=jnp.int32)
        batch = items.draw(order, flip & config.data.flip, rows)
        return update(state, member, batch, config=config, attributes=attributes, optimizer=optimizer)

    fresh = begin_member(member, config=config, optimizer=optimizer)
    return jax.lax.scan(body, fresh, length=config.training.steps)


def encode_batch(
    params: PyTree, member: Member, batch: Batch, key: PRNGKeyArray, *, config: Config, attributes: AttributeSet
) -> Encoded:
    """Encodes pictures, samples their codes, and measures the distortion of what is decoded from them.

    Args:
        params: of the model.
        member, config, attributes: as for `update`.
        batch: as for `update`; the mask does not count.
        key: of the noise.
    """
    images = jnp.asarray(batch["image"], jnp.float32) / 255.0
    noise = example_noise(key, len(images), member.bottleneck.latent_dim, None)
    output: Any = model_of(member, config).apply({"params": params}, images, attributes.encode(batch["labels"]), noise)
    decoded = jax.nn.sigmoid(output.logits)
    posterior = output.posterior
    return Encoded(
        output.codes,
        posterior.mean,
        posterior.log_variance,
        output.rates,
        psnr(images, decoded),
        ssim(images, decoded),
    )


def measure(
    params: PyTree, member: Member, batch: Batch, key: PRNGKeyArray, *, config: Config, attributes: AttributeSet
) -> Measures:
    """Rate, distortion and leakage over a batch, smooth in parameters and hyper-parameters.

    The leakage is an estimate to compare models by, not what attackers read: audits say that.

    Args: as for `encode_batch`; the mask says which rows count.
    """
    encoded = encode_batch(params, member, batch, key, config=config, attributes=attributes)
    mask = jnp.asarray(batch["mask"])

    def mean(values: Float[Array, "batch ..."]) -> Array:
        weights = mask.astype(jnp.float32).reshape(-1, *[1] * (values.ndim - 1))
        return jnp.sum(values * weights, axis=0) / jnp.maximum(jnp.sum(weights), 1.0)

    leakage = contrastive_information(
        encoded.codes, Posterior(encoded.mean, encoded.log_variance), batch["labels"], mask, attributes
    )
    return Measures(mean(encoded.rates), mean(encoded.psnr_db), mean(encoded.ssim), leakage)
