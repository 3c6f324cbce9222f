"""What training minimises, per example and in nats: -log p(x|z,c) + beta * KL(q(z|x) || N(0, I)).

All functions are pure and reduce over nothing but the axes of one example; masks and means are the step's business.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from conceal_jax.config import ObjectiveConfig
from conceal_jax.models.vae import Output

Pictures = Float[Array, "batch height width channels"]
PerExample = Float[Array, " batch"]
Number = float | Float[Array, ""]
"""May be traced."""

MULTIPLIER_RATE = 0.01
"""Step size of dual ascent on the logarithm of the rate's weight."""


def gaussian_nll(images: Pictures, logits: Pictures, scale: float) -> PerExample:
    """Negative log-likelihood of pictures under N(sigmoid(logits), scale^2), summed over pixels."""
    squares = _sum_pixels(jnp.square((images - jax.nn.sigmoid(logits)) / scale))
    return 0.5 * squares + images[0].size * np.log(scale * np.sqrt(2 * np.pi))


def laplace_nll(images: Pictures, logits: Pictures, scale: float) -> PerExample:
    """Negative log-likelihood under a Laplace distribution around sigmoid(logits) with diversity `scale`."""
    errors = _sum_pixels(jnp.abs(images - jax.nn.sigmoid(logits)) / scale)
    return errors + images[0].size * np.log(2 * scale)


def bernoulli_nll(images: Pictures, logits: Pictures, scale: float) -> PerExample:
    """Cross-entropy of pixels in [0, 1] taken as probabilities; the scale plays no part."""
    del scale
    return _sum_pixels(jax.nn.softplus(logits) - images * logits)


LIKELIHOODS = {"gaussian": gaussian_nll, "laplace": laplace_nll, "bernoulli": bernoulli_nll}


def objective_terms(output: Output, images: Pictures, config: ObjectiveConfig) -> dict[str, PerExample]:
    """The terms of the objective, unweighted.

    Returns:
        reconstruction: negative log-likelihood in nats.
        rate: in nats.
    """
    return {
        "reconstruction": LIKELIHOODS[config.likelihood](images, output.logits, config.scale),
        "rate": output.rates.sum(axis=-1),
    }


def ramp(step: Int[Array, ""], warmup_steps: int) -> Float[Array, ""]:
    """A share that rises linearly to 1 over the warm-up."""
    return jnp.minimum(1.0, (step + 1) / warmup_steps) if warmup_steps else jnp.ones(())


def rate_weight(
    log_beta: Float[Array, ""], step: Int[Array, ""], beta: Number, rate_target: Number | None, warmup_steps: int = 0
) -> Float[Array, ""]:
    """The rate's weight at a step, risen linearly over the warm-up: beta, or the multiplier where there is a target."""
    weight = beta if rate_target is None else jnp.exp(log_beta)
    return jnp.asarray(weight, jnp.float32) * ramp(step, warmup_steps)


def objective_value(terms: dict[str, PerExample], weight: Float[Array, ""]) -> PerExample:
    """The per-example objective in nats."""
    return terms["reconstruction"] + weight * terms["rate"]


def update_multiplier(
    log_beta: Float[Array, ""], mean_rate: Float[Array, ""], rate_target: Number | None
) -> Float[Array, ""]:
    """One step of dual ascent on log beta: it rises while the rate lies above its target (Rezende and Viola 2018).

    The excess is relative to the target and bounded, so that the first, wild steps cannot throw beta far off.
    """
    if rate_target is None:
        return log_beta
    excess = jnp.clip(mean_rate / rate_target - 1.0, -1.0, 1.0)
    return log_beta + MULTIPLIER_RATE * excess


def _sum_pixels(values: Pictures) -> PerExample:
    return values.sum(axis=(1, 2, 3))
