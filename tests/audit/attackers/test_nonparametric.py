"""Trees, neighbours and kernel machine on worlds with known answers, and against scikit-learn."""

import numpy as np
import pytest
from sklearn.kernel_ridge import KernelRidge
from sklearn.metrics import balanced_accuracy_score, r2_score
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from conceal_jax.audit.attackers.kernel import KernelAttacker, ridge_path
from conceal_jax.audit.attackers.neighbours import NeighboursAttacker, votes
from conceal_jax.audit.attackers.trees import BoostedTreesAttacker
from conceal_jax.audit.examples import Examples
from conceal_jax.audit.targets import Target

LEARN, CHOOSE, TEST = np.arange(2000), np.arange(2000, 2500), np.arange(2500, 4000)
ATTACKERS = (BoostedTreesAttacker, NeighboursAttacker, KernelAttacker)


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    """Fewer landmarks and trees; on so few people, threads wait for one another longer than they work."""
    monkeypatch.setattr(KernelAttacker, "landmarks", 200)
    fewer = BoostedTreesAttacker.settings | {"learning_rate": 0.2, "max_iter": 80}
    monkeypatch.setattr(BoostedTreesAttacker, "settings", fewer)
    with threadpool_limits(1):
        yield


@pytest.fixture(scope="module")
def codes() -> np.ndarray:
    return (np.random.default_rng(0).normal(size=(4000, 3)) * [1, 30, 0.01] + [0, 500, 0]).astype(np.float32)


def fitted(attacker, examples: Examples):
    return attacker.fit(examples.take(LEARN), examples.take(CHOOSE))


def answers(attacker, codes: np.ndarray, **targets: Target) -> dict[str, np.ndarray]:
    return fitted(attacker, Examples(codes, targets)).predict(codes[TEST])


def quadrants(codes: np.ndarray) -> np.ndarray:
    """Which of the signs of two axes agree: no linear attacker reads it."""
    standardised = StandardScaler().fit_transform(codes)
    return (standardised[:, 0] * standardised[:, 1] > 0).astype(np.int32)


@pytest.mark.parametrize("attacker", ATTACKERS)
def test_classes_and_values_that_are_not_linear_are_read_in_their_unit(codes, attacker):
    xor, values = quadrants(codes), (40 + 0.01 * np.square(codes[:, 1] - 500)).astype(np.float32)
    got = answers(attacker(), codes, xor=Target(xor, 2), age=Target(values, 0))
    assert balanced_accuracy_score(xor[TEST], got["xor"].argmax(1)) > 0.93
    assert r2_score(values[TEST], got["age"]) > 0.8


@pytest.mark.parametrize("attacker", ATTACKERS)
def test_bayes_accuracy_is_neared_where_classes_differ_in_size(attacker):
    # Unit Gaussians two apart: Bayes' balanced accuracy is Phi(1) = .841, which 1 : 9 without balance is not.
    generator = np.random.default_rng(1)
    labels = (generator.random(4000) < 0.1).astype(np.int32)
    codes = generator.normal(size=(4000, 2))
    codes[:, 0] += 2 * labels
    guesses = answers(attacker(), codes, y=Target(labels, 2))["y"].argmax(1)
    assert balanced_accuracy_score(labels[TEST], guesses) > 0.80


@pytest.mark.parametrize("attacker", ATTACKERS)
def test_missing_labels_are_not_learned_from(codes, attacker):
    # Of those with labels in class 1 most are missing, and of the values all the larger: neither is to be inferred.
    xor, missing = quadrants(codes), np.random.default_rng(2).random(4000) < 0.5
    values = codes[:, 0] + 10
    hidden = Target(np.where(missing, -1, xor).astype(np.int32), 2)
    got = answers(attacker(), codes, xor=hidden, v=Target(np.where(missing, np.nan, values).astype(np.float32), 0))
    assert balanced_accuracy_score(xor[TEST], got["xor"].argmax(1)) > 0.9
    assert r2_score(values[TEST], got["v"]) > 0.85
    assert abs(got["v"].mean() - 10) < 0.1


@pytest.mark.parametrize("attacker", ATTACKERS)
def test_a_class_never_seen_is_never_guessed_and_one_seen_only_later_is_not_judged(codes, attacker):
    labels = (2 * quadrants(codes)).astype(np.int32)
    labels[CHOOSE[:50]] = 3
    scores = answers(attacker(), codes, y=Target(labels, 4))["y"]
    np.testing.assert_array_equal(np.isneginf(scores).all(axis=0), [False, True, False, True])
    assert np.isfinite(scores[:, [0, 2]]).all()
    assert balanced_accuracy_score(labels[TEST], scores.argmax(1)) > 0.9


@pytest.mark.parametrize("attacker", ATTACKERS)
def test_noise_is_not_read_and_its_scores_are_near_even(attacker):
    generator = np.random.default_rng(3)
    codes, labels = generator.normal(size=(4000, 10)), generator.integers(0, 2, 4000).astype(np.int32)
    noise = generator.normal(size=4000).astype(np.float32)
    got = answers(attacker(), codes, y=Target(labels, 2), v=Target(noise, 0))
    assert abs(np.mean(got["y"].argmax(1) == labels[TEST]) - 0.5) < 0.05
    assert np.abs(got["y"][:, 1] - got["y"][:, 0]).mean() < 0.5
    assert r2_score(noise[TEST], got["v"]) > -0.05


@pytest.mark.parametrize("attacker", [BoostedTreesAttacker, KernelAttacker])
def test_an_attacker_is_a_function_of_its_seed(codes, attacker):
    target = Target(quadrants(codes), 2)
    first, again = (answers(attacker(seed=5), codes, y=target)["y"] for _ in range(2))
    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize("attacker", ATTACKERS)
def test_where_nothing_can_be_learned_nothing_is_answered(codes, attacker):
    assert answers(attacker(), codes, y=Target(np.zeros(4000, np.int32), 2)) == {}


def test_trees_leave_targets_of_many_classes_unanswered(codes):
    many = np.random.default_rng(4).integers(0, 21, 4000).astype(np.int32)
    assert list(answers(BoostedTreesAttacker(), codes, many=Target(many, 21), xor=Target(quadrants(codes), 2))) == [
        "xor"
    ]


@pytest.mark.parametrize("count", [1, 20])
def test_the_nearest_are_those_of_scikit_learn(codes, count):
    labels, values = np.arange(4000, dtype=np.int32) % 3, codes[:, 1]
    examples = Examples(codes, {"y": Target(labels, 3), "v": Target(values, 0)})
    attacker = NeighboursAttacker()
    attacker.counts = (count,)
    got = fitted(attacker, examples).predict(codes[TEST])
    scaler = StandardScaler().fit(codes[LEARN])
    learned, asked = scaler.transform(codes[LEARN]), scaler.transform(codes[TEST])
    shares = KNeighborsClassifier(count).fit(learned, labels[LEARN]).predict_proba(asked)
    frequencies = np.bincount(labels[LEARN]) / len(LEARN)
    # The scores are logs of (votes / frequency + 1).
    np.testing.assert_allclose(np.exp(got["y"]) - 1, count * shares / frequencies, atol=1e-6)
    means = KNeighborsRegressor(count).fit(learned, values[LEARN]).predict(asked)
    prior = values[LEARN].mean(dtype=np.float64)
    np.testing.assert_allclose(got["v"], (count * means + prior) / (count + 1), rtol=1e-5)


def test_votes_by_hand():
    nearest = np.array([[0, 1, 2], [3, 4, 4]])
    classes = Target(np.array([0, 0, 2, -1, -1, 2, 2, 2], np.int32), 4)
    # Of six known labels a third are of class 0 and two thirds of class 2.
    expected = np.log(
        [[2 * 3 + 1, 0, 1 * 1.5 + 1, 0], [1, 0, 1, 0]], where=[[True, False, True, False]], out=np.full((2, 4), -np.inf)
    )
    np.testing.assert_allclose(votes(nearest, classes), expected)
    values = Target(np.array([1, 3, np.nan, np.nan, np.nan, 8], np.float32), 0)
    np.testing.assert_allclose(votes(nearest, values), [(1 + 3 + 4) / 3, 4])


def test_fewer_people_than_neighbours_and_landmarks_are_enough(codes):
    few, xor = np.arange(60), quadrants(codes)
    examples = Examples(codes, {"y": Target(xor, 2)})
    for attacker in (NeighboursAttacker(), KernelAttacker()):
        scores = attacker.fit(examples.take(few), examples.take(CHOOSE)).predict(codes[TEST])["y"]
        assert balanced_accuracy_score(xor[TEST], scores.argmax(1)) > 0.7


def test_with_everyone_a_landmark_it_is_kernel_ridge_regression(codes):
    few, values = np.arange(150), np.sin(3 * codes[:, 0]).astype(np.float32)
    attacker = KernelAttacker()
    attacker.widths, attacker.penalties = (0.5,), (1e-3,)
    examples = Examples(codes, {"v": Target(values, 0)})
    got = attacker.fit(examples.take(few), examples.take(CHOOSE)).predict(codes[TEST])["v"]
    scaler = StandardScaler().fit(codes[few].astype(np.float64))
    learned, asked = scaler.transform(codes[few]), scaler.transform(codes[TEST])
    # The penalty is against the mean error here and against the sum there, and the constant feature is a kernel of 1.
    expected = KernelRidge(alpha=len(few) * 1e-3, kernel="precomputed")
    mean = values[few].mean(dtype=np.float64)
    expected.fit(rbf_kernel(learned, gamma=0.5 / 6) + 1, values[few] - mean)
    np.testing.assert_allclose(got, expected.predict(rbf_kernel(asked, learned, gamma=0.5 / 6) + 1) + mean, atol=1e-3)


def test_the_ridge_path_solves_its_problem():
    generator = np.random.default_rng(7)
    features, wanted = (generator.normal(size=(50, width)).astype(np.float32) for width in (4, 2))
    for penalty, weights in zip((1.0, 1e-3), ridge_path(features, wanted, (1.0, 1e-3)), strict=True):
        gradient = features.T @ (features @ weights - wanted) / 50 + penalty * weights
        np.testing.assert_allclose(gradient, 0, atol=1e-5)
