"""Bounds against worlds whose best attacker is known, against brute force, and against the laws that they obey."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from conceal_jax.audit.certificates import bounds

SLACK = 1e-9
shares = st.lists(st.integers(1, 50), min_size=2, max_size=5).map(lambda parts: np.array(parts) / sum(parts))
nats = st.floats(0, 3)
positive = st.floats(0.01, 20)


@st.composite
def joint_distributions(draw: st.DrawFn) -> np.ndarray:
    """float64 [cells, classes]: any joint distribution, also with empty places."""
    cells, classes = draw(st.integers(1, 6)), draw(st.integers(2, 4))
    parts = draw(st.lists(st.integers(0, 30), min_size=cells * classes, max_size=cells * classes))
    joint = np.array(parts, np.float64).reshape(cells, classes)
    joint[0] += 1
    return joint / joint.sum()


def information(joint: np.ndarray) -> float:
    independent = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0)
    return float(np.sum(joint[joint > 0] * np.log(joint[joint > 0] / independent[joint > 0])))


@given(joint_distributions())
def test_no_finite_channel_exceeds_what_its_information_allows(joint):
    priors, nats = joint.sum(axis=0), max(information(joint), 0.0)
    best = joint.max(axis=1).sum()
    assert best <= bounds.fano_accuracy(nats, priors) + SLACK
    assert best <= bounds.kl_accuracy(nats, priors) + SLACK
    balanced = (joint / priors).max(axis=1).sum() / len(priors)
    assert balanced <= bounds.balanced_accuracy_from_information(nats, priors) + SLACK


@pytest.mark.parametrize("classes", [2, 3, 5, 9])
@pytest.mark.parametrize("accuracy", [0.55, 0.8, 0.97])
def test_the_symmetric_channel_attains_fanos_bound(classes, accuracy):
    channel = np.full((classes, classes), (1 - accuracy) / (classes - 1))
    np.fill_diagonal(channel, accuracy)
    nats = information(channel / classes)
    priors = bounds.uniform_priors(classes)
    assert bounds.accuracy_from_information(nats, priors) == pytest.approx(accuracy, abs=1e-9)
    assert bounds.balanced_accuracy_from_information(nats, priors) == pytest.approx(accuracy, abs=1e-9)


@given(shares, nats)
def test_fano_and_kl_are_the_largest_solutions_on_a_grid(priors, nats):
    grid = np.linspace(0, 1, 20_001)[1:-1]
    entropy = -np.sum(priors * np.log(priors))
    binary = -grid * np.log(grid) - (1 - grid) * np.log(1 - grid)
    fano = grid[binary + (1 - grid) * np.log(len(priors) - 1) >= entropy - nats]
    chance = priors.max()
    divergence = grid * np.log(grid / chance) + (1 - grid) * np.log((1 - grid) / (1 - chance))
    step = 1e-4
    if len(fano):
        assert bounds.fano_accuracy(nats, priors) == pytest.approx(max(fano.max(), chance), abs=step)
    kl = grid[(divergence <= nats) & (grid >= chance)]
    assert bounds.kl_accuracy(nats, priors) == pytest.approx(kl.max() if len(kl) else chance, abs=step)


@given(shares, nats, nats)
def test_more_information_never_lowers_the_bound_nor_is_it_below_chance(priors, first, second):
    less, more = sorted((first, second))
    for bound in (bounds.accuracy_from_information, bounds.balanced_accuracy_from_information):
        assert bound(less, priors) <= bound(more, priors) + SLACK <= 1 + SLACK
    assert bounds.accuracy_from_information(less, priors) >= priors.max()
    assert bounds.balanced_accuracy_from_information(less, priors) >= 1 / len(priors)


def test_no_information_leaves_chance_and_all_of_it_leaves_nothing():
    priors = np.array([0.7, 0.2, 0.1])
    assert bounds.accuracy_from_information(0.0, priors) == pytest.approx(0.7, abs=1e-6)
    assert bounds.accuracy_from_information(-float(np.sum(priors * np.log(priors))), priors) == 1.0
    assert bounds.balanced_accuracy_from_information(0.0, priors) == pytest.approx(1 / 3, abs=1e-6)
    assert bounds.balanced_accuracy_from_information(0.0, np.array([0.5, 0.5, 0.0])) == 1.0


@given(st.floats(0.05, 20), st.floats(0.01, 6))
def test_hockey_stick_is_the_integral_of_the_positive_part(gamma, separation):
    x = np.linspace(-12, 18, 60_001)
    positive_part = np.maximum(stats.norm.pdf(x - separation) - gamma * stats.norm.pdf(x), 0)
    assert bounds.hockey_stick(gamma, separation) == pytest.approx(np.trapezoid(positive_part, x), abs=1e-6)


def test_hockey_stick_at_its_ends():
    assert bounds.hockey_stick(np.inf, 1.0) == 0
    assert bounds.hockey_stick(0.25, 0.0) == 0.75
    assert bounds.hockey_stick(4.0, 0.0) == 0


@pytest.mark.parametrize("radius", [0.1, 0.5, 1.0, 2.0])
def test_two_equal_classes_under_noise_are_read_at_phi_of_radius_over_sigma(radius):
    bound = bounds.noise_mechanism_accuracy(radius, 1.0, bounds.uniform_priors(2))
    assert bound == pytest.approx(stats.norm.cdf(radius), abs=1e-9)


@pytest.mark.parametrize("priors", [(0.5, 0.5), (0.7, 0.3), (0.9, 0.1)])
@pytest.mark.parametrize("ratio", [0.2, 0.7, 1.5])
@pytest.mark.parametrize("releases", [1, 4])
def test_the_best_two_point_attacker_meets_the_noise_bound(priors, ratio, releases):
    generator, people, sigma = np.random.default_rng(0), 200_000, 2.0
    radius = ratio * sigma
    labels = (generator.random(people) < priors[1]).astype(int)
    codes = (2 * labels - 1) * radius + sigma / np.sqrt(releases) * generator.standard_normal(people)
    # The likelihood ratio of the mean of all releases, with the priors.
    evidence = 2 * radius * codes * releases / sigma**2 + np.log(priors[1] / priors[0])
    read = np.mean((evidence > 0) == labels)
    assert read == pytest.approx(bounds.noise_mechanism_accuracy(radius, sigma, np.array(priors), releases), abs=0.005)


@pytest.mark.parametrize("priors", [(0.2,) * 5, (0.5, 0.2, 0.1, 0.1, 0.1), (0.9, 0.06, 0.04)])
@pytest.mark.parametrize("ratio", [0.3, 1.0, 2.5])
def test_no_attacker_on_a_simplex_of_classes_exceeds_the_noise_bound(priors, ratio):
    generator, people, classes = np.random.default_rng(1), 50_000, len(priors)
    corners = np.eye(classes) - 1 / classes
    corners *= ratio / np.linalg.norm(corners, axis=1, keepdims=True)
    labels = generator.choice(classes, people, p=priors)
    codes = corners[labels] + generator.standard_normal((people, classes))
    read = np.mean(np.argmax(codes @ corners.T + np.log(priors), axis=1) == labels)
    assert read <= bounds.noise_mechanism_accuracy(ratio, 1.0, np.array(priors)) + 0.003


def test_many_classes_are_bounded_better_around_the_centre_than_in_pairs():
    in_pairs = 0.2 + 0.8 * bounds.hockey_stick(1.0, 2.0)
    assert bounds.noise_mechanism_accuracy(1.0, 1.0, bounds.uniform_priors(5)) < in_pairs - 0.1


@given(shares, positive, positive, positive, st.integers(1, 50))
def test_the_noise_bound_grows_with_radius_and_releases_and_falls_with_sigma(priors, radius, first, second, releases):
    low, high = sorted((first, second))
    bound = bounds.noise_mechanism_accuracy
    assert priors.max() - SLACK <= bound(radius, high, priors) <= bound(radius, low, priors) + 1e-6 <= 1 + 1e-6
    assert bound(low, radius, priors) <= bound(high, radius, priors) + 1e-6
    assert bound(radius, high, priors) <= bound(radius, high, priors, releases) + 1e-6
    assert bound(radius, high, priors, releases) == pytest.approx(bound(radius, high / releases**0.5, priors), abs=1e-6)


def test_finite_code_bounds_are_their_formulas():
    counts = np.array([[30, 10], [20, 60], [0, 80]])
    expected = 170 / 200 + np.sqrt(np.log(20) / 400)
    assert bounds.finite_code_accuracy(counts) == pytest.approx(expected)
    balanced = (30 / 50 + 60 / 150 + 80 / 150) / 2 + np.sqrt(np.log(20) / 2 * (1 / 50 + 1 / 150) / 4)
    assert bounds.finite_code_balanced_accuracy(counts) == pytest.approx(balanced)


@given(st.lists(st.tuples(st.integers(1, 99), st.integers(1, 99)), min_size=2, max_size=8))
def test_one_person_moves_the_finite_code_figures_by_no_more_than_the_proofs_say(cells):
    counts = np.array(cells)
    # One person of class 0, in each cell in turn.
    moves = [counts + np.outer(np.arange(len(counts)) == cell, [1, 0]) for cell in range(len(counts))]
    for bound, step in (
        (bounds.finite_code_accuracy, 1 / moves[0].sum()),
        (bounds.finite_code_balanced_accuracy, 1 / (2 * moves[0][:, 0].sum())),
    ):
        # At so low a confidence nothing is cut at 1.
        values = [bound(moved, 1e-9) for moved in moves]
        assert max(values) - min(values) <= step + SLACK


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bounds.accuracy_from_information(-0.1, np.array([0.5, 0.5])), "nats"),
        (lambda: bounds.accuracy_from_information(float("nan"), np.array([0.5, 0.5])), "nats"),
        (lambda: bounds.kl_accuracy(0.1, np.array([0.5, 0.6])), "sum to 1"),
        (lambda: bounds.kl_accuracy(0.1, np.array([1.0])), "two or more"),
        (lambda: bounds.noise_mechanism_accuracy(1.0, 0.0, np.array([0.5, 0.5])), "sigma > 0"),
        (lambda: bounds.noise_mechanism_accuracy(1.0, 1.0, np.array([0.5, 0.5]), 0), "releases >= 1"),
        (lambda: bounds.finite_code_accuracy(np.zeros((3, 2), int)), "people by cell"),
        (lambda: bounds.finite_code_accuracy(np.ones((3, 2), int), 1.0), "confidence"),
        (lambda: bounds.finite_code_balanced_accuracy(np.array([[3, 0], [2, 0]])), "every class"),
    ],
)
def test_arguments_out_of_range_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
