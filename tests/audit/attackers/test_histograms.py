"""Histograms of single numbers: leaks of any shape, missing labels, classes never seen."""

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score

from conceal_jax.audit.attackers.histograms import HistogramAttacker
from conceal_jax.audit.examples import Examples
from conceal_jax.audit.targets import Target
from tests.audit.worlds import draw

LEARN, CHOOSE, TEST = np.arange(14_000), np.arange(14_000, 15_500), np.arange(15_500, 30_500)


def read(codes: np.ndarray, target: Target) -> np.ndarray:
    examples = Examples(codes, {"y": target})
    return HistogramAttacker().fit(examples.take(LEARN), examples.take(CHOOSE)).predict(codes[TEST])["y"]


@pytest.mark.parametrize("name", ["fifth_moment", "fifth_moment_steps"])
def test_a_leak_of_any_shape_in_one_of_many_numbers_is_found(name):
    world = draw(name, 30_500, 40, 0.03, 0)
    guesses = read(world.codes, Target(world.labels, 2)).argmax(1)
    # The best attacker reads .53; the standard error is .004.
    assert balanced_accuracy_score(world.labels[TEST], guesses) > 0.515


def test_independent_numbers_are_added_up_as_by_bayes():
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 2, 30_500).astype(np.int32)
    codes = (generator.normal(size=(30_500, 4)) + 0.5 * labels[:, None]).astype(np.float32)
    # Four shifts of half a deviation: Phi(.5 * sqrt(4) / 2) = Phi(.5) = .691.
    guesses = read(codes, Target(labels, 2)).argmax(1)
    assert balanced_accuracy_score(labels[TEST], guesses) == pytest.approx(0.691, abs=0.012)


def test_rare_classes_count_the_same_missing_labels_not_at_all_and_unseen_classes_are_never_guessed():
    generator = np.random.default_rng(1)
    labels = np.where(generator.random(30_500) < 0.05, 2, 0).astype(np.int32)
    codes = (generator.normal(size=(30_500, 3)) + labels[:, None]).astype(np.float32)
    missing = np.where(generator.random(30_500) < 0.3, -1, labels).astype(np.int32)
    guesses = read(codes, Target(missing, 3)).argmax(1)
    assert set(guesses) == {0, 2}
    # Phi(2 * sqrt(3) / 2) = .958 of each class, less what bins of equal people blur where the rare class is.
    assert balanced_accuracy_score(labels[TEST], guesses) == pytest.approx(0.93, abs=0.03)


def test_values_stay_unanswered():
    codes = np.random.default_rng(0).normal(size=(30_500, 2)).astype(np.float32)
    examples = Examples(codes, {"value": Target(codes[:, 0], 0)})
    assert HistogramAttacker().fit(examples.take(LEARN), examples.take(CHOOSE)).predict(codes[:3]) == {}
