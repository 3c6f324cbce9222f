"""Bottlenecks: narrow, noisy codes, and what can be certified of them.

A bottleneck is a value without parameters of its own, a pytree: its numeric fields may be traced, mapped over and
differentiated by; its other fields are shapes. One of your own is a subclass of `Bottleneck` and a call of `register`.
"""

import abc
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import flax.linen as nn
import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy import special

from conceal_jax.config import CodeConfig

LOG_VARIANCE_BOUND = 8.0
"""Log-variances stay within +-8 (deviations from 0.018 to 55), so that neither the noise nor the rate can overflow."""

ROUNDING = 1e-6
"""Share of the radius that clipping leaves for the errors of float32 norms."""

LEAST_CHANCE = 1e-9
"""Of a cell, where a logarithm is taken."""


class Posterior(flax.struct.PyTreeNode):
    """The diagonal Gaussian q(z|x) = N(mean, exp(log_variance)), of what a finite code rounds where there is one."""

    mean: Float[Array, "batch latent"]
    log_variance: Float[Array, "batch latent"]


class Mechanism(NamedTuple):
    """What of a bottleneck certificates rest on; see `conceal_jax.audit.certificates.certify.ReleaseDescription`.

    Attributes:
        kind: "finite", a code of finitely many values; "gaussian", mean plus Gaussian noise; "mean", the mean alone.
        clip_radius: Euclidean norm that no mean exceeds; None where there is no such bound.
        sigma: standard deviation of the noise, where it is one number for all photos; None where it depends on them.
    """

    kind: Literal["finite", "gaussian", "mean"]
    clip_radius: Any = None
    sigma: Any = None


class Bottleneck(flax.struct.PyTreeNode, abc.ABC):
    """Statistics to a posterior, a posterior and noise to a code, and what both cost and promise.

    Fields of subclasses that are numbers are annotated as `Any`, since they may be traced.

    Attributes:
        latent_dim: length L of a code.
    """

    latent_dim: int = flax.struct.field(pytree_node=False)

    @property
    def statistics_dim(self) -> int:
        """How many statistics of each photo the encoder computes; by default two for each dimension of the code."""
        return 2 * self.latent_dim

    @abc.abstractmethod
    def posterior(self, statistics: Float[Array, "batch statistics"]) -> Posterior:
        """q(z|x) in float32."""

    def sample(self, posterior: Posterior, noise: Float[Array, "batch latent"]) -> Float[Array, "batch latent"]:
        """The reparameterised sample z = mean + sigma * noise (Kingma and Welling 2014), noise from N(0, I)."""
        return posterior.mean + jnp.exp(0.5 * posterior.log_variance) * noise

    def rate(self, posterior: Posterior) -> Float[Array, "batch latent"]:
        """What a code reveals of its photo at most: the KL of each dimension from a fixed prior, in nats."""
        return rate_per_dimension(posterior)

    def mechanism(self) -> Mechanism:
        """What can be certified of the codes; by default nothing, as the encoder chooses the noise of every photo."""
        return Mechanism("gaussian")


class Gaussian(Bottleneck):
    """The paper's: the encoder chooses mean and variance. The prior is N(0, I)."""

    def posterior(self, statistics: Float[Array, "batch statistics"]) -> Posterior:
        """q(z|x) with a smoothly bounded log-variance."""
        mean, raw = jnp.split(statistics, 2, axis=-1)
        return Posterior(mean, LOG_VARIANCE_BOUND * jnp.tanh(raw / LOG_VARIANCE_BOUND))


class ClippedMean(Bottleneck):
    """A mean that is clipped to a ball, and noise of one deviation for every photo: the noise mechanism.

    The scale is such that codes from the ball's surface have unit variance: sigma^2 + R^2 / L = 1. So the rate from the
    prior N(0, I) is never above L/2 log(1 + R^2 / (L sigma^2)), the capacity of a Gaussian channel of that power.

    Attributes:
        noise: sigma / R, all that certificates depend on.
    """

    noise: Any

    @property
    def statistics_dim(self) -> int:
        """The mean."""
        return self.latent_dim

    @property
    def radius(self) -> Any:
        """The largest Euclidean norm of a mean."""
        return (self.noise**2 + 1 / self.latent_dim) ** -0.5

    @property
    def sigma(self) -> Any:
        """Standard deviation of the noise of every dimension."""
        return self.noise * self.radius

    def posterior(self, statistics: Float[Array, "batch statistics"]) -> Posterior:
        """Clips means; where statistics are near one, they stand near the ball's surface."""
        means = statistics * (self.radius / np.sqrt(self.latent_dim))
        norms = jnp.sqrt(jnp.sum(jnp.square(means), axis=-1, keepdims=True) + 1e-12)
        clipped = means * jnp.minimum(1.0, (1 - ROUNDING) * self.radius / norms)
        return Posterior(clipped, jnp.full_like(clipped, 2 * jnp.log(self.sigma)))

    def mechanism(self) -> Mechanism:
        """Constant noise on a bounded mean: a certificate needs no people."""
        return Mechanism("gaussian", self.radius, self.sigma)


class FiniteCode(Gaussian):
    """Gaussian codes rounded to finitely many values (finite scalar quantisation, see `quantise`).

    Attributes:
        levels: how many values each dimension of a code can take.
    """

    levels: tuple[int, ...] = flax.struct.field(pytree_node=False)

    def sample(self, posterior: Posterior, noise: Float[Array, "batch latent"]) -> Float[Array, "batch latent"]:
        """The Gaussian sample, rounded."""
        return quantise(super().sample(posterior, noise), self.levels)

    def rate(self, posterior: Posterior) -> Float[Array, "batch latent"]:
        """The KL of a dimension's cell from equal chances of all cells: log(levels) minus the entropy of the cell.

        Equal chances are what N(0, 1) gives to the cells, so this is never above the KL before rounding.
        """
        deviation = jnp.exp(0.5 * posterior.log_variance)
        below = jax.scipy.stats.norm.cdf((_edges(self.levels) - posterior.mean[..., None]) / deviation[..., None])
        # A dimension of fewer levels than others has empty cells.
        chances = jnp.maximum(jnp.diff(below, axis=-1), LEAST_CHANCE)
        entropy = -jnp.sum(chances * jnp.log(chances), axis=-1)
        return jnp.maximum(np.log(self.levels).astype(np.float32) - entropy, 0.0)

    def mechanism(self) -> Mechanism:
        """Finitely many values: held-out people suffice for a certificate."""
        return Mechanism("finite")


BOTTLENECKS: dict[str, Callable[[CodeConfig], Bottleneck]] = {}
"""By the name that configurations give, what makes a bottleneck of the settings of a code."""


def register(name: str, create: Callable[[CodeConfig], Bottleneck]) -> None:
    """Makes a bottleneck known to configurations: `model.bottleneck=NAME`, `censor.bottleneck=NAME`."""
    BOTTLENECKS[name] = create


register("gaussian", lambda code: Gaussian(code.latent_dim))
register("clipped", lambda code: ClippedMean(code.latent_dim, code.noise))
register("finite", lambda code: FiniteCode(len(code.levels), code.levels))


def create_bottleneck(code: CodeConfig) -> Bottleneck:
    """The bottleneck that a configuration names.

    Raises:
        ValueError: nothing is registered under that name.
    """
    if code.bottleneck not in BOTTLENECKS:
        raise ValueError(
            f"got the bottleneck {code.bottleneck!r}; registered are {', '.join(BOTTLENECKS)}: choose one of them, or "
            "register yours before the model is made (conceal_jax.models.bottleneck.register)"
        )
    return BOTTLENECKS[code.bottleneck](code)


class BottleneckLayer(nn.Module):
    """A bottleneck behind the dense layer that computes its statistics.

    Attributes:
        code: the bottleneck.
    """

    code: Bottleneck

    def setup(self) -> None:
        self.statistics = nn.Dense(self.code.statistics_dim, kernel_init=nn.initializers.lecun_normal())

    def posterior(self, features: Float[Array, "batch features"]) -> Posterior:
        """q(z|x), in float32 whatever the features are."""
        return self.code.posterior(self.statistics(features.astype(jnp.float32)))


def rate_per_dimension(posterior: Posterior) -> Float[Array, "batch latent"]:
    """KL(q(z|x) || N(0, I)) of each latent dimension in nats (Kingma and Welling 2014, appendix B)."""
    variance = jnp.exp(posterior.log_variance)
    return 0.5 * (jnp.square(posterior.mean) + variance - 1.0 - posterior.log_variance)


def quantise(codes: Float[Array, "batch latent"], levels: tuple[int, ...]) -> Float[Array, "batch latent"]:
    """The nearest of as many values as each dimension has levels; N(0, 1) gives all values equal chances.

    Finite scalar quantisation (Mentzer et al. 2023, arXiv 2309.15505) in quantiles of the prior. The values are the
    medians of their cells. Gradients pass as if nothing had been rounded.
    """
    counts = jnp.asarray(levels, jnp.float32)
    cells = jnp.clip(jnp.floor(jax.scipy.stats.norm.cdf(codes) * counts), 0, counts - 1)
    values = jax.lax.stop_gradient(jax.scipy.stats.norm.ppf((cells + 0.5) / counts))
    # In this order, so that what is added is exactly 0, and equal codes are equal to the last bit.
    return values + (codes - jax.lax.stop_gradient(codes))


def _edges(levels: tuple[int, ...]) -> np.ndarray:
    """Where cells begin and end: float32 [latent, most levels + 1], far out at both ends and beyond the last cell."""
    shares = np.arange(max(levels) + 1) / np.array(levels)[:, None]
    # Infinite ends would give NaN gradients.
    return np.clip(special.ndtri(np.minimum(shares, 1.0)), -1e6, 1e6).astype(np.float32)
