"""Low-rank quadratic discriminants against the full one, and in worlds where only a hidden direction tells."""

import numpy as np
import pytest
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis
from sklearn.metrics import balanced_accuracy_score, r2_score

from conceal_jax.audit.attackers.quadratic import QuadraticAttacker
from conceal_jax.audit.examples import Examples
from conceal_jax.audit.targets import Target
from tests.audit.worlds import draw

LEARN, CHOOSE, TEST = np.arange(6000), np.arange(6000, 7000), np.arange(7000, 12_000)


def read(codes: np.ndarray, target: Target) -> np.ndarray:
    examples = Examples(codes.astype(np.float32), {"y": target})
    return QuadraticAttacker().fit(examples.take(LEARN), examples.take(CHOOSE)).predict(codes[TEST])["y"]


def test_a_variance_in_a_hidden_direction_is_read_as_well_as_can_be():
    world = draw("variance", 12_000, 16, 0.2, 0)
    guesses = read(world.codes, Target(world.labels, 2)).argmax(1)
    assert balanced_accuracy_score(world.labels[TEST], guesses) == pytest.approx(0.7, abs=0.02)


def test_correlations_of_three_classes_in_turned_axes_are_read_like_by_the_full_discriminant():
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 3, 12_000).astype(np.int32)
    codes = generator.normal(size=(12_000, 10))
    codes[:, 1] = np.array([0.9, 0.0, -0.9])[labels] * codes[:, 0] + codes[:, 1] * np.sqrt([0.19, 1, 0.19])[labels]
    turned = codes @ np.linalg.qr(generator.normal(size=(10, 10)))[0]
    full = QuadraticDiscriminantAnalysis().fit(turned[LEARN], labels[LEARN]).predict(turned[TEST])
    guesses = read(turned, Target(labels, 3)).argmax(1)
    skills = [balanced_accuracy_score(labels[TEST], each) - 1 / 3 for each in (guesses, full)]
    assert skills[0] > 0.9 * skills[1] > 0.2


def test_a_value_is_read_from_squares():
    generator = np.random.default_rng(1)
    codes = generator.normal(size=(12_000, 10))
    direction = generator.normal(size=10) / np.sqrt(10)
    values = np.square(codes @ direction) + 30
    assert r2_score(values[TEST], read(codes, Target(values.astype(np.float32), 0))) > 0.95


def test_missing_labels_are_not_learned_from_and_classes_not_seen_never_guessed():
    world = draw("variance", 12_000, 16, 0.2, 0)
    labels = np.where(np.arange(12_000) % 3 == 0, -1, 2 * world.labels).astype(np.int32)
    scores = read(world.codes, Target(labels, 3))
    assert set(scores.argmax(1)) == {0, 2}
    assert balanced_accuracy_score(2 * world.labels[TEST], scores.argmax(1)) > 0.66


def test_too_many_classes_stay_unanswered():
    labels = (np.arange(12_000) % 30).astype(np.int32)
    codes = np.random.default_rng(0).normal(size=(12_000, 4)).astype(np.float32)
    examples = Examples(codes, {"many": Target(labels, 30)})
    assert QuadraticAttacker().fit(examples.take(LEARN), examples.take(CHOOSE)).predict(codes[:3]) == {}


def test_codes_that_do_not_vary_tell_nothing():
    labels = np.random.default_rng(0).integers(0, 2, 12_000).astype(np.int32)
    scores = read(np.zeros((12_000, 4)), Target(labels, 2))
    assert np.isfinite(scores).all()
    np.testing.assert_allclose(scores, scores[:1].repeat(len(scores), axis=0), atol=1e-6)
