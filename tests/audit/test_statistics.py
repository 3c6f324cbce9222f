"""Figures against scikit-learn and scipy; intervals against worlds whose truth is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics

from conceal_jax.audit import statistics

WORLDS = 400


@pytest.fixture
def generator() -> np.random.Generator:
    return np.random.default_rng(0)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=60))
def test_balanced_accuracy_is_scikit_learns_and_lies_in_its_interval(pairs):
    labels, predictions = np.array(pairs).T
    estimate = statistics.balanced_accuracy(labels, predictions)
    recalls = metrics.recall_score(labels, predictions, labels=np.unique(labels), average="macro")
    assert estimate.value == pytest.approx(recalls)
    assert 0 <= estimate.ci95[0] <= estimate.value <= estimate.ci95[1] <= 1


@pytest.mark.parametrize(("successes", "trials"), [(0, 12), (1, 1), (7, 12), (12, 12), (480, 1000)])
def test_clopper_pearson_is_scipys(successes, trials):
    low, high = statistics.clopper_pearson(np.array([successes]), np.array([trials]))
    expected = stats.binomtest(successes, trials).proportion_ci(0.95, method="exact")
    np.testing.assert_allclose([low[0], high[0]], [expected.low, expected.high], atol=1e-12)


@pytest.mark.parametrize("recalls", [(0.5, 0.5), (0.95, 0.6), (0.9, 0.4, 0.2, 0.05, 0.6)])
@pytest.mark.parametrize("support", [6, 200])
def test_interval_of_balanced_accuracy_covers_the_truth(recalls, support, generator):
    labels = np.repeat(np.arange(len(recalls)), support)
    covered = 0
    for _ in range(WORLDS):
        right = generator.random(len(labels)) < np.array(recalls)[labels]
        low, high = statistics.balanced_accuracy(labels, np.where(right, labels, -1)).ci95
        covered += low <= np.mean(recalls) <= high
    assert covered / WORLDS >= 0.95


def test_interval_of_balanced_accuracy_stays_open_where_nothing_went_wrong():
    labels = np.repeat([0, 1], 5)
    low, high = statistics.balanced_accuracy(labels, labels).ci95
    assert low < 0.7
    assert high == 1


def test_auc_is_scikit_learns_with_ties(generator):
    labels = generator.integers(0, 2, 300)
    scores = np.round(labels + generator.normal(size=300))
    assert statistics.auc(labels, scores).value == pytest.approx(metrics.roc_auc_score(labels, scores))


@pytest.mark.parametrize("shift", [0.0, 1.0, 3.0])
def test_interval_of_auc_covers_the_truth(shift, generator):
    truth, labels = stats.norm.cdf(shift / np.sqrt(2)), np.repeat([0, 1], [30, 50])
    intervals = [statistics.auc(labels, generator.normal(size=80) + shift * labels).ci95 for _ in range(WORLDS)]
    assert np.mean([low <= truth <= high for low, high in intervals]) >= 0.94


def test_interval_of_auc_stays_open_at_the_ends():
    labels = np.repeat([0, 1], 8)
    assert statistics.auc(labels, labels).ci95[0] < 0.9
    assert statistics.auc(labels, -labels).ci95[1] > 0.1


def test_r2_and_mean_absolute_error_are_scikit_learns(generator):
    values = generator.normal(30, 10, 200).astype(np.float32)
    guesses = values + generator.normal(0, 6, 200).astype(np.float32)
    assert statistics.r2(values, guesses).value == pytest.approx(metrics.r2_score(values, guesses), rel=1e-5)
    error = metrics.mean_absolute_error(values, guesses)
    assert statistics.mean_absolute_error(values, guesses).value == pytest.approx(error, rel=1e-5)


@pytest.mark.parametrize("noise", [0.3, 1.0, 3.0])
def test_intervals_of_r2_and_mean_absolute_error_cover_the_truth(noise, generator):
    r2_truth, error_truth = 1 - noise**2, noise * np.sqrt(2 / np.pi)
    covered = np.zeros(2)
    for _ in range(WORLDS):
        values, errors = generator.normal(size=150), noise * generator.normal(size=150)
        for i, (figure, truth) in enumerate(((statistics.r2, r2_truth), (statistics.mean_absolute_error, error_truth))):
            low, high = figure(values, values + errors).ci95
            covered[i] += low <= truth <= high
    assert np.all(covered / WORLDS >= 0.93)


def test_perfect_values_have_no_unexplained_variance():
    values = np.arange(5.0)
    assert statistics.r2(values, values) == statistics.Estimate(1.0, (1.0, 1.0))


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=60))
def test_macro_f1_is_scikit_learns_and_lies_in_its_interval(pairs):
    labels, predictions = np.array(pairs).T
    estimate = statistics.macro_f1(labels, predictions)
    expected = metrics.f1_score(labels, predictions, labels=np.unique(labels), average="macro", zero_division=0)
    assert estimate.value == pytest.approx(expected)
    assert 0 <= estimate.ci95[0] <= estimate.value <= estimate.ci95[1] <= 1


def test_interval_of_macro_f1_covers_the_truth(generator):
    # Two even classes of which a share .7 is read rightly: F1 is .7 for both.
    covered = 0
    for _ in range(WORLDS):
        labels = generator.integers(0, 2, 300)
        low, high = statistics.macro_f1(labels, labels ^ (generator.random(300) < 0.3)).ci95
        covered += low <= 0.7 <= high
    assert covered / WORLDS >= 0.92


def test_information_is_cross_entropy_below_the_prior(generator):
    labels = generator.integers(0, 3, 500)
    probabilities = generator.dirichlet(np.ones(3), 500)
    priors = np.full((500, 3), 1 / 3)
    nats = statistics.information(labels, np.log(probabilities), np.log(priors)).value
    assert nats == pytest.approx(np.log(3) - metrics.log_loss(labels, probabilities))


def test_more_comparisons_widen_intervals_to_the_level_that_bonferroni_asks_for():
    labels, predictions = np.repeat([0, 1], 100), np.tile([0, 1, 1, 1], 50)
    plain, joint = (statistics.balanced_accuracy(labels, predictions, count).ci95 for count in (1, 10))
    assert joint[0] < plain[0] < plain[1] < joint[1]
    low, high = statistics.clopper_pearson(np.array([30]), np.array([100]), comparisons=10)
    expected = stats.binomtest(30, 100).proportion_ci(0.995, method="exact")
    np.testing.assert_allclose([low[0], high[0]], [expected.low, expected.high], atol=1e-12)


def test_excess_over_a_floor_covers_the_truth(generator):
    covered = 0
    for _ in range(WORLDS):
        labels = generator.integers(0, 2, 400)
        figures = [
            statistics.balanced_accuracy(labels, np.where(generator.random(400) < share, labels, 1 - labels))
            for share in (0.7, 0.6)
        ]
        low, high = statistics.excess(*figures).ci95
        covered += low <= 0.1 <= high
    assert covered / WORLDS >= 0.94
