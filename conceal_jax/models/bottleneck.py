"""The bottleneck: a narrow, noisy latent, and the labels that join it after sampling.

Because the decoder is given the labels for free, spending the latent's scarce capacity on them does not pay
(Hanukoglu et al. 2019, arXiv 1909.09156).
"""

import flax.linen as nn
import flax.struct
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

LOG_VARIANCE_BOUND = 8.0
"""Log-variances stay within +-8 (deviations from 0.018 to 55), so that neither the noise nor the rate can overflow."""

LABEL_GAIN = 4.0
"""Labels reach the decoder this much larger, so that it learns to use them before the latent has taken their place."""


class Posterior(flax.struct.PyTreeNode):
    """The diagonal Gaussian q(z|x) = N(mean, exp(log_variance))."""

    mean: Float[Array, "batch latent"]
    log_variance: Float[Array, "batch latent"]


class GaussianBottleneck(nn.Module):
    """Features to a posterior, a posterior and noise to a code, a code and labels to the decoder's input.

    Attributes:
        latent_dim: length L of a code.
        levels: how many values each number of a code can take; none where it can take any.
    """

    latent_dim: int
    levels: tuple[int, ...] = ()

    def setup(self) -> None:
        self.statistics = nn.Dense(2 * self.latent_dim, kernel_init=nn.initializers.lecun_normal())

    def posterior(self, features: Float[Array, "batch features"]) -> Posterior:
        """q(z|x), in float32 whatever the features are, with a smoothly bounded log-variance."""
        mean, raw = jnp.split(self.statistics(features.astype(jnp.float32)), 2, axis=-1)
        return Posterior(mean, LOG_VARIANCE_BOUND * jnp.tanh(raw / LOG_VARIANCE_BOUND))

    def sample(self, posterior: Posterior, noise: Float[Array, "batch latent"]) -> Float[Array, "batch latent"]:
        """The reparameterised sample z = mean + sigma * noise (Kingma and Welling 2014), noise from N(0, I).

        A finite code's numbers are rounded after that.
        """
        codes = posterior.mean + jnp.exp(0.5 * posterior.log_variance) * noise
        return quantise(codes, self.levels) if self.levels else codes

    def join(
        self, codes: Float[Array, "batch latent"], label_vectors: Float[Array, "batch labels"]
    ) -> Float[Array, "batch joined"]:
        """[z ; c]: what the decoder reads, the labels with a gain of `LABEL_GAIN`."""
        return jnp.concatenate([codes, LABEL_GAIN * label_vectors], axis=-1)


def quantise(codes: Float[Array, "batch latent"], levels: tuple[int, ...]) -> Float[Array, "batch latent"]:
    """Each number's nearest of as many values as its level says; as many of N(0, 1) fall to each.

    Finite scalar quantisation (Mentzer et al. 2023, arXiv 2309.15505) in quantiles of the prior. The values are the
    medians of their cells. Gradients pass as if nothing had been rounded.
    """
    counts = jnp.asarray(levels, jnp.float32)
    cells = jnp.clip(jnp.floor(jax.scipy.stats.norm.cdf(codes) * counts), 0, counts - 1)
    values = jax.lax.stop_gradient(jax.scipy.stats.norm.ppf((cells + 0.5) / counts))
    # In this order, so that what is added is exactly 0, and equal codes are equal to the last bit.
    return values + (codes - jax.lax.stop_gradient(codes))
