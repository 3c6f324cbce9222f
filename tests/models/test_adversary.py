"""Adversaries of an ensemble differ, and one is linear."""

import jax
import jax.numpy as jnp
import numpy as np

from conceal_jax.models.adversary import AdversaryEnsemble


def test_members_differ_and_one_is_linear():
    ensemble = AdversaryEnsemble((0, 8, 16), 5)
    params = ensemble.init(jax.random.key(0), jnp.zeros((1, 4)))
    codes = jax.random.normal(jax.random.key(1), (6, 4))
    logits = ensemble.apply(params, codes)
    assert logits.shape == (3, 6, 5)
    doubled = ensemble.apply(params, 2 * codes)
    np.testing.assert_allclose(doubled[0], 2 * logits[0], rtol=1e-5)
    assert not np.allclose(doubled[1], 2 * logits[1], rtol=0.1)
