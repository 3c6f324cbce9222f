import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from conceal_jax.config import ObjectiveConfig
from conceal_jax.losses.elbo import (
    LIKELIHOODS,
    objective_terms,
    objective_value,
    rate_weight,
    update_multiplier,
)
from conceal_jax.models.bottleneck import Posterior, rate_per_dimension
from conceal_jax.models.vae import Output

IMAGES = jax.random.uniform(jax.random.key(0), (2, 4, 4, 3))
LOGITS = jax.random.normal(jax.random.key(1), (2, 4, 4, 3))


@pytest.mark.parametrize(
    ("name", "density"),
    [
        ("gaussian", lambda x, mean: scipy.stats.norm(mean, 0.2).logpdf(x)),
        ("laplace", lambda x, mean: scipy.stats.laplace(mean, 0.2).logpdf(x)),
        ("bernoulli", lambda x, mean: x * np.log(mean) + (1 - x) * np.log(1 - mean)),
    ],
)
def test_likelihoods_equal_scipy(name, density):
    mean = np.asarray(jax.nn.sigmoid(LOGITS), np.float64)
    expected = -density(np.asarray(IMAGES), mean).sum(axis=(1, 2, 3))
    np.testing.assert_allclose(LIKELIHOODS[name](IMAGES, LOGITS, 0.2), expected, rtol=1e-4)


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_likelihoods_are_finite_at_extreme_logits(name):
    for value in (-1e4, 1e4):
        value_and_gradient = jax.value_and_grad(lambda logits: LIKELIHOODS[name](IMAGES, logits, 0.1).sum())
        assert all(np.isfinite(leaf).all() for leaf in value_and_gradient(jnp.full_like(LOGITS, value)))


@given(st.floats(-3, 3), st.floats(-6, 6))
def test_rate_is_never_negative_and_zero_only_at_the_prior(mean, log_variance):
    posterior = Posterior(jnp.full((1, 1), mean), jnp.full((1, 1), log_variance))
    assert rate_per_dimension(posterior)[0, 0] >= -1e-6
    assert rate_per_dimension(Posterior(jnp.zeros((1, 1)), jnp.zeros((1, 1))))[0, 0] == 0


def test_rate_equals_monte_carlo():
    mean, log_variance = 0.7, -1.2
    posterior = Posterior(jnp.full((1, 1), mean), jnp.full((1, 1), log_variance))
    deviation = np.exp(0.5 * log_variance)
    samples = mean + deviation * np.random.default_rng(0).normal(size=200_000)
    estimate = np.mean(scipy.stats.norm(mean, deviation).logpdf(samples) - scipy.stats.norm.logpdf(samples))
    np.testing.assert_allclose(rate_per_dimension(posterior)[0, 0], estimate, rtol=0.01)


def make_output(mean):
    posterior = Posterior(jnp.array([mean], jnp.float32), jnp.zeros((1, len(mean))))
    return Output(posterior, rate_per_dimension(posterior), posterior.mean, LOGITS[:1])


def test_beta_warms_up_linearly_then_stays():
    weights = [float(rate_weight(jnp.float32(0), jnp.int32(step), 4.0, None, 4)) for step in (0, 1, 3, 100)]
    assert weights == [1.0, 2.0, 4.0, 4.0]


def test_objective_is_reconstruction_plus_weighted_rate():
    terms = objective_terms(make_output([1.0]), IMAGES[:1], ObjectiveConfig())
    np.testing.assert_allclose(
        objective_value(terms, jnp.float32(3)), terms["reconstruction"] + 3 * terms["rate"], rtol=1e-6
    )


def test_multiplier_finds_the_beta_that_holds_the_rate():
    """In a world where the rate is 100 / beta, a target of 20 nats needs beta = 5."""

    def body(_, log_beta):
        return update_multiplier(log_beta, 100.0 / jnp.exp(log_beta), 20.0)

    log_beta = jax.lax.fori_loop(0, 2000, body, jnp.float32(0))
    np.testing.assert_allclose(jnp.exp(log_beta), 5.0, rtol=1e-3)


def test_multiplier_rests_without_target():
    assert update_multiplier(jnp.float32(1.5), jnp.float32(99), None) == 1.5
