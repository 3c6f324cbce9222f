"""The bottleneck: a narrow, noisy latent, and the labels that join it after sampling.

Because the decoder is given the labels for free, spending the latent's scarce capacity on them does not pay
(Hanukoglu et al. 2019, arXiv 1909.09156).
"""

import flax.linen as nn
import flax.struct
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
    """Features to a posterior, a posterior and noise to a code, a code and labels to the decoder's input."""

    latent_dim: int

    def setup(self) -> None:
        self.statistics = nn.Dense(2 * self.latent_dim, kernel_init=nn.initializers.lecun_normal())

    def posterior(self, features: Float[Array, "batch features"]) -> Posterior:
        """q(z|x), in float32 whatever the features are, with a smoothly bounded log-variance."""
        mean, raw = jnp.split(self.statistics(features.astype(jnp.float32)), 2, axis=-1)
        return Posterior(mean, LOG_VARIANCE_BOUND * jnp.tanh(raw / LOG_VARIANCE_BOUND))

    def sample(self, posterior: Posterior, noise: Float[Array, "batch latent"]) -> Float[Array, "batch latent"]:
        """The reparameterised sample z = mean + sigma * noise (Kingma and Welling 2014), noise from N(0, I)."""
        return posterior.mean + jnp.exp(0.5 * posterior.log_variance) * noise

    def join(
        self, codes: Float[Array, "batch latent"], label_vectors: Float[Array, "batch labels"]
    ) -> Float[Array, "batch joined"]:
        """[z ; c]: what the decoder reads, the labels with a gain of `LABEL_GAIN`."""
        return jnp.concatenate([codes, LABEL_GAIN * label_vectors], axis=-1)
