"""The censor's parts fit together, and a finite code is finite."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from conceal_jax.models.bottleneck import BottleneckLayer, FiniteCode, Gaussian, Posterior, quantise
from conceal_jax.models.censor import Censor

CODES = jax.random.normal(jax.random.key(0), (4096, 2))


def test_a_call_is_encoding_sampling_and_decoding():
    censor = Censor(BottleneckLayer(Gaussian(3)), width=16, uncensored_dim=5)
    first, recognised, labels, noise = (
        jax.random.normal(jax.random.key(i), (7, size)) for i, size in enumerate((5, 2, 4, 3))
    )
    params = censor.init(jax.random.key(9), first, recognised, labels, noise)
    posterior = censor.apply(params, first, recognised, method="encode")
    codes = censor.apply(params, posterior, noise, method="sample")
    np.testing.assert_allclose(codes, posterior.mean + jnp.exp(posterior.log_variance / 2) * noise, rtol=1e-6)
    whole = censor.apply(params, first, recognised, labels, noise)
    assert whole.shape == first.shape
    np.testing.assert_allclose(censor.apply(params, codes, labels, method="decode"), whole, rtol=1e-5, atol=1e-6)


def test_a_finite_code_takes_every_value_equally_often_under_the_prior():
    values, counts = np.unique(quantise(CODES, (4, 3))[:, 0], return_counts=True)
    assert len(values) == 4
    np.testing.assert_allclose(counts / len(CODES), 0.25, atol=0.03)
    # Quantiles 1/8, 3/8, 5/8, 7/8 of N(0, 1).
    np.testing.assert_allclose(values, [-1.1503, -0.3186, 0.3186, 1.1503], atol=1e-3)


def test_rounding_again_changes_nothing():
    once = quantise(CODES, (4, 3))
    np.testing.assert_allclose(quantise(once, (4, 3)), once, atol=1e-6)
    assert len(np.unique(np.round(once, 4), axis=0)) == 12


@pytest.mark.parametrize("extreme", [-40.0, 40.0])
def test_numbers_far_out_fall_into_the_outermost_cells(extreme):
    assert jnp.isfinite(quantise(jnp.full((1, 1), extreme), (4,))).all()


def test_gradients_pass_through_the_rounding():
    gradient = jax.grad(lambda codes: jnp.sum(3.0 * quantise(codes, (4, 3))))(CODES)
    np.testing.assert_array_equal(gradient, jnp.full_like(CODES, 3.0))


def test_samples_of_a_finite_bottleneck_are_finite_codes():
    posterior = Posterior(CODES, jnp.zeros_like(CODES))
    codes = FiniteCode(2, (2, 5)).sample(posterior, CODES[::-1])
    np.testing.assert_allclose(codes, quantise(CODES + CODES[::-1], (2, 5)), atol=1e-6)
