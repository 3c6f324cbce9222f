"""Whitened inputs: uncorrelated, of unit variance, and without directions that are rounding errors."""

import numpy as np
import pytest

from conceal_jax.audit.attackers.whitening import Whitening


@pytest.fixture
def inputs() -> np.ndarray:
    generator = np.random.default_rng(0)
    turned, _ = np.linalg.qr(generator.normal(size=(6, 6)))
    return (generator.normal(size=(4000, 6)) * [100, 10, 1, 1, 0.1, 0.01]) @ turned + 7


def test_the_people_learned_from_become_white(inputs):
    white = Whitening().fit(inputs).transform(inputs)
    np.testing.assert_allclose(np.cov(white, rowvar=False), np.eye(6), atol=1e-6)
    np.testing.assert_allclose(white.mean(0), 0, atol=1e-6)


def test_others_are_treated_as_those_learned_from(inputs):
    whitening = Whitening().fit(inputs[:2000])
    np.testing.assert_allclose(whitening.transform(inputs)[:5], whitening.transform(inputs[:5]), rtol=1e-9)


def test_repeated_and_constant_numbers_add_no_direction(inputs):
    twice = np.concatenate([inputs, inputs[:, :2], np.ones((4000, 1))], axis=1).astype(np.float32)
    assert Whitening().fit(twice).transform(twice).shape == (4000, 6)


def test_one_number_is_standardised(inputs):
    white = Whitening().fit(inputs[:, :1]).transform(inputs[:, :1])
    assert white.shape == (4000, 1)
    assert white.std() == pytest.approx(1, rel=1e-3)


def test_inputs_that_never_vary_are_a_zero():
    constant = np.full((50, 3), 0.1)
    np.testing.assert_allclose(Whitening().fit(constant).transform(constant), np.zeros((50, 1)), atol=1e-9)
