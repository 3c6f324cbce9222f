"""Calibrated probabilities on scores whose truth is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import logsumexp

from conceal_jax.audit.attackers.calibration import calibrate
from conceal_jax.audit.targets import Target


def world(count: int, seed: int, scale: float) -> tuple[np.ndarray, Target]:
    """Labels drawn from softmax(logits), and the logits blown up by `scale`."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(size=(count, 3))
    labels = (logits + generator.gumbel(size=logits.shape)).argmax(1)
    return logits * scale, Target(labels.astype(np.int32), 3)


@pytest.mark.parametrize("scale", [0.2, 1.0, 8.0])
def test_the_temperature_undoes_a_scale(scale):
    scores, target = world(4000, 0, scale)
    even = Target(np.tile(np.arange(3, dtype=np.int32), 100), 3)
    assert calibrate(scores, target, even).temperature == pytest.approx(scale, rel=0.1)


def test_scores_that_tell_nothing_become_the_prior():
    generator = np.random.default_rng(0)
    learn = Target(np.repeat([0, 1], [300, 100]).astype(np.int32), 2)
    labels = Target(generator.permutation(np.repeat([0, 1], [300, 100])).astype(np.int32), 2)
    scores = generator.normal(size=(400, 2)) * 5
    natural = np.exp(calibrate(scores, labels, learn).natural(scores))
    np.testing.assert_allclose(natural.mean(0), [0.75, 0.25], atol=0.03)
    assert natural.std() < 0.3


@given(st.integers(0, 10_000), st.floats(0.1, 10))
def test_probabilities_sum_to_one_and_keep_the_order(seed, scale):
    scores, target = world(30, seed, scale)
    calibration = calibrate(scores, target, target)
    for predicted in (calibration.balanced(scores), calibration.natural(scores)):
        np.testing.assert_allclose(logsumexp(predicted, axis=1), 0, atol=1e-6)
    balanced = calibration.balanced(scores)
    seen = np.isfinite(calibration.log_priors)
    assert np.all(balanced[:, seen].argmax(1) == scores[:, seen].argmax(1))


def test_a_class_that_was_never_learned_is_impossible_and_no_obstacle():
    scores, target = world(200, 0, 1.0)
    learn = Target(np.where(target.labels == 2, 1, target.labels), 3)
    scores[:, 2] = -np.inf
    predicted = calibrate(scores, target, learn).natural(scores)
    assert np.all(predicted[:, 2] == -np.inf)
    np.testing.assert_allclose(logsumexp(predicted, axis=1), 0, atol=1e-6)


def test_no_attacker_is_ever_certain():
    scores = np.array([[1000.0, -1000.0]] * 10 + [[-1000.0, 1000.0]] * 10)
    target = Target(np.repeat([0, 1], 10).astype(np.int32), 2)
    assert calibrate(scores, target, target).natural(scores).min() >= np.log(0.5e-3) - 1e-6
