"""Controls whose Bayes accuracy is known."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from conceal_jax.audit.controls import (
    FLIPPED,
    PLANTED,
    SHUFFLED,
    judge_planted,
    judge_shuffled,
    planted,
    planted_accuracy,
    shuffled,
)
from conceal_jax.audit.statistics import Estimate, balanced_accuracy
from conceal_jax.audit.targets import Target

SIZE = 32


def codes(count, seed):
    """Correlated, of very different scales, far from zero; one dimension never varies."""
    generator = np.random.default_rng(seed)
    mixing = np.random.default_rng(99).normal(size=(8, 8)) * np.logspace(-3, 3, 8)
    return np.pad((generator.normal(size=(count, 8)) + 2) @ mixing, ((0, 0), (0, 1))).astype(np.float32)


def test_codes_tell_the_planted_label_as_far_as_it_is_not_flipped():
    inputs = codes(20_000, 0), codes(20_000, 1)
    train, test = planted(*inputs, seed=0)
    assert train.class_count == test.class_count == 2
    assert train.labels.dtype == np.int32
    assert test.known.all()
    scaler = StandardScaler().fit(inputs[0])
    model = LogisticRegression().fit(scaler.transform(inputs[0]), train.labels)
    reading = balanced_accuracy(test.labels, model.predict(scaler.transform(inputs[1])))
    assert reading.value == pytest.approx(1 - FLIPPED, abs=0.012)
    assert train.labels.mean() == pytest.approx(0.5, abs=0.012)


def test_both_labels_are_as_frequent_in_skewed_codes():
    inputs = np.random.default_rng(0).exponential(size=(20_000, 1))
    train, test = planted(inputs[:10_000], inputs[10_000:], seed=0)
    above = inputs[10_000:, 0] > np.log(2)
    agreement = balanced_accuracy(test.labels, above.astype(int)).value
    assert max(agreement, 1 - agreement) == pytest.approx(1 - FLIPPED, abs=0.015)
    assert train.labels.mean() == pytest.approx(0.5, abs=0.015)


@pytest.mark.parametrize("cells", [(0.2, 0.8), (0.3, 0.4, 0.3), (0.05, 0.7, 0.25)])
def test_the_verdict_knows_how_unequal_the_labels_of_few_codes_are(cells):
    """Nobody who has nothing but the code reads more than who knows the rule, and the verdict expects no more."""
    train, test = (
        np.random.default_rng(side).choice(len(cells), (20_000, 1), p=cells).astype(np.float32) for side in range(2)
    )
    target = planted(train, test, seed=0)[1]
    share = target.labels.mean()
    likely = [target.labels[test[:, 0] == cell].mean() > share for cell in range(len(cells))]
    reading = balanced_accuracy(target.labels, np.array(likely)[test[:, 0].astype(int)].astype(int)).value
    support = np.bincount(target.labels).tolist()
    assert planted_accuracy(support) == pytest.approx(reading, abs=0.015)
    assert judge_planted(Estimate(reading, (reading, reading)), support).passed


def test_pictures_tell_the_planted_label_by_their_brightness():
    generator = np.random.default_rng(0)
    light = generator.integers(0, 200, 3000)
    pictures = (light[:, None, None, None] + generator.integers(0, 56, (3000, SIZE, SIZE, 3))).astype(np.uint8)
    train, test = planted(pictures[:1500], pictures[1500:], seed=0)
    threshold = np.median(light[:1500])
    for target, part in ((train, light[:1500]), (test, light[1500:])):
        agreement = balanced_accuracy(target.labels, (part > threshold).astype(int))
        assert agreement.value == pytest.approx(1 - FLIPPED, abs=0.035)


def test_the_test_people_are_labelled_by_the_rule_of_the_training_people():
    train, test = codes(5000, 0), codes(4000, 1)
    _, all_people = planted(train, test, seed=3)
    _, first_half = planted(train, test[:2000], seed=3)
    np.testing.assert_array_equal(all_people.labels[:2000], first_half.labels)
    _, moved = planted(train, np.full_like(test, train.max() * 1e3), seed=3)
    assert abs(moved.labels.mean() - 0.5) == pytest.approx(0.5 - FLIPPED, abs=0.03)


def test_the_planted_label_depends_on_the_seed_alone():
    inputs = codes(1000, 0), codes(1000, 1)
    first, again, other = planted(*inputs, seed=0), planted(*inputs, seed=0), planted(*inputs, seed=1)
    np.testing.assert_array_equal(first[1].labels, again[1].labels)
    assert np.any(first[1].labels != other[1].labels)
    # People who are the same on both sides are flipped anew.
    same = planted(inputs[0], inputs[0], seed=0)
    assert np.mean(same[0].labels != same[1].labels) == pytest.approx(2 * FLIPPED * (1 - FLIPPED), abs=0.05)


def test_nothing_can_be_planted_without_people():
    with pytest.raises(ValueError, match="no training people"):
        planted(codes(0, 0), codes(10, 1), seed=0)


@pytest.mark.parametrize(
    "target",
    [
        Target(np.where(np.arange(3000) % 5 == 0, -1, np.arange(3000) % 3).astype(np.int32), 3),
        Target(np.where(np.arange(3000) % 5 == 0, np.nan, np.arange(3000)).astype(np.float32), 0),
    ],
)
def test_shuffling_keeps_the_labels_and_loses_their_order(target):
    before = target.labels.copy()
    result = shuffled(target, seed=0)
    np.testing.assert_array_equal(target.labels, before)
    np.testing.assert_array_equal(result.known, target.known)
    assert result.class_count == target.class_count
    np.testing.assert_array_equal(np.sort(result.labels[result.known]), np.sort(before[target.known]))
    assert abs(np.corrcoef(result.labels[result.known], before[target.known])[0, 1]) < 0.06
    np.testing.assert_array_equal(result.labels, shuffled(target, seed=0).labels)
    assert np.any(result.labels[result.known] != shuffled(target, seed=1).labels[result.known])


@pytest.mark.parametrize(("value", "passed"), [(0.72, True), (0.651, True), (0.649, False), (0.5, False)])
def test_verdict_on_the_planted_leak(value, passed):
    verdict = judge_planted(Estimate(value, (value - 0.02, value + 0.02)), (500, 500))
    assert (verdict.name, verdict.passed) == (PLANTED, passed)
    assert verdict.words.startswith("passed" if passed else "failed")
    assert f"{value:.3f} ({value - 0.02:.3f} to {value + 0.02:.3f})" in verdict.words


@pytest.mark.parametrize(
    ("low", "high", "chance", "passed"),
    [
        (0.49, 0.53, 0.5, True),
        (0.51, 0.55, 0.5, False),
        # Beyond 95 %, but not beyond 99.9 %: 0.53 - 1.4 * 0.025.
        (0.505, 0.555, 0.5, True),
        (0.19, 0.22, 0.2, True),
        (0.49, 0.53, 0.2, False),
    ],
)
def test_verdict_on_shuffled_labels(low, high, chance, passed):
    verdict = judge_shuffled(Estimate((low + high) / 2, (low, high)), chance)
    assert (verdict.name, verdict.passed) == (SHUFFLED, passed)
    assert verdict.words.startswith("passed" if passed else "failed")
