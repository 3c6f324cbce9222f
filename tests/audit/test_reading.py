"""Answers judged against labels: the metrics of each kind of question, and the highest of several attackers."""

import numpy as np
import pytest

from conceal_jax.audit.reading import Answer, judge
from conceal_jax.audit.targets import Target, value_of


def answer(right: np.ndarray, labels: np.ndarray, classes: int = 2) -> Answer:
    """Guesses that are right where `right`; calibrated as if nothing were known."""
    guesses = np.where(right, labels, (labels + 1) % classes)
    uniform = np.full((len(labels), classes), -np.log(classes))
    return Answer(np.log(np.eye(classes)[guesses] * 0.8 + 0.1), uniform, uniform)


@pytest.fixture
def labels() -> np.ndarray:
    return np.tile(np.arange(2, dtype=np.int32), 200)


def test_metrics_suit_the_question_the_decisive_first(labels):
    values = labels + np.random.default_rng(0).normal(size=400)
    targets = {"group": Target(labels, 2), value_of("group"): Target(values, 0), value_of("only"): Target(values, 0)}
    answers = {
        "one": {
            "group": answer(labels >= 0, labels),
            value_of("group"): Answer(values),
            value_of("only"): Answer(values + 1),
        }
    }
    readings = judge(answers, targets)
    assert list(readings["group"].best.metrics) == [
        "balanced_accuracy",
        "auc",
        "macro_f1",
        "information_nats",
        "r2",
        "mae",
    ]
    assert list(readings["only"].best.metrics) == ["r2", "mae"]
    assert readings["only"].best.metrics["mae"].value == pytest.approx(1)
    assert readings["group"].best.metrics["information_nats"].value == 0


def test_the_highest_figure_allows_for_all_attackers(labels):
    """Each of 20 attackers guesses; the interval of the best must be wider than its own, and hold chance."""
    generator = np.random.default_rng(0)
    answers = {str(i): {"group": answer(generator.random(400) < 0.5, labels)} for i in range(20)}
    reading = judge(answers, {"group": Target(labels, 2)})["group"]
    own = reading.best.decisive
    assert own.value == reading.highest.value == max(each.decisive.value for each in reading.attackers)
    assert own.ci95[0] > 0.5 > reading.highest.ci95[0]


def test_the_interval_of_the_highest_covers_the_truth(labels):
    generator = np.random.default_rng(0)
    covered = 0
    for _ in range(200):
        answers = {str(i): {"group": answer(generator.random(400) < 0.5, labels)} for i in range(8)}
        low, high = judge(answers, {"group": Target(labels, 2)})["group"].highest.ci95
        covered += low <= 0.5 <= high
    assert covered >= 190


def test_an_attacker_that_does_not_answer_is_left_out(labels):
    answers = {"able": {"group": answer(labels >= 0, labels)}, "mute": {}}
    reading = judge(answers, {"group": Target(labels, 2)})["group"]
    assert [figures.attacker for figures in reading.attackers] == ["able"]


def test_support_counts_known_labels_and_missing_ones_are_not_judged(labels):
    missing = np.where(np.arange(400) < 100, -1, labels)
    reading = judge({"one": {"group": answer(np.arange(400) >= 100, labels, 2)}}, {"group": Target(missing, 3)})[
        "group"
    ]
    assert reading.support == (150, 150, 0)
    assert reading.best.decisive.value == 1


def test_intervals_out_of_fold_are_wider(labels):
    answers = {"one": {"group": answer(np.random.default_rng(0).random(400) < 0.7, labels)}}
    target = {"group": Target(labels, 2)}
    plain, folded = (judge(answers, target, folds)["group"].best.decisive for folds in (0, 5))
    assert plain.value == folded.value
    np.testing.assert_allclose(np.subtract(folded.ci95, plain.value), 1.5 * np.subtract(plain.ci95, plain.value))
