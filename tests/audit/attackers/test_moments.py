"""The moments attacker finds faint leaks of known size; its moments and their ranks are what they are said to be."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.polynomial.hermite_e import hermevander
from scipy import optimize, stats
from scipy.special import factorial
from sklearn.feature_selection import f_classif, r_regression

from conceal_jax.audit.attackers.moments import (
    MomentsAttacker,
    associations,
    moment_basis,
    moment_factors,
    moments,
    orthonormal_polynomials,
    ranks,
    sign_associations,
    sign_triples,
)
from conceal_jax.audit.examples import Examples
from conceal_jax.audit.targets import Target

LEARN, CHOOSE, TEST = np.arange(14_000), np.arange(14_000, 15_500), np.arange(15_500, 30_500)
AXES = 12

World = Callable[[np.random.Generator, np.ndarray], np.ndarray]
"""Codes of people whose sides are -1 and 1; the best attacker is right of 53 %, and chance is 50 %."""


def xor_of_signs(generator: np.random.Generator, side: np.ndarray) -> np.ndarray:
    codes = generator.normal(size=(len(side), AXES))
    agrees = np.where(generator.random(len(side)) < 0.53, 1, -1)
    codes[:, 4] = np.abs(codes[:, 4]) * np.sign(codes[:, 9]) * side * agrees
    return codes


def silent_axis(generator: np.random.Generator, side: np.ndarray) -> np.ndarray:
    codes = generator.normal(size=(len(side), AXES))
    codes[:, 7] = 1e-4 * (codes[:, 7] + stats.norm.ppf(0.53) * side)
    return codes


def covariance(generator: np.random.Generator, side: np.ndarray) -> np.ndarray:
    # The best guess is the sign of the product, right with probability 1/2 + arcsin(rho) / pi.
    codes, rho = generator.normal(size=(len(side), AXES)), np.sin(0.03 * np.pi)
    codes[:, 2] = rho * side * codes[:, 3] + np.sqrt(1 - rho**2) * codes[:, 2]
    return codes


def radius(generator: np.random.Generator, side: np.ndarray) -> np.ndarray:
    def accuracy(growth: float) -> float:
        far, near = (1 + growth) ** 2, (1 - growth) ** 2
        border = AXES * np.log(far / near) / (1 / near - 1 / far)
        return (stats.chi2.cdf(border / near, AXES) + stats.chi2.sf(border / far, AXES)) / 2

    growth = optimize.brentq(lambda growth: accuracy(growth) - 0.53, 1e-6, 0.3)
    return generator.normal(size=(len(side), AXES)) * (1 + growth * side)[:, None]


def fifth_moment(generator: np.random.Generator, side: np.ndarray) -> np.ndarray:
    """Discrete numbers, of which the classes share the first four moments, but not the fifth."""
    codes, points = generator.normal(size=(len(side), AXES)), np.linspace(-2.5, 2.5, 6)
    even = np.full(6, 1 / 6)
    # Of six points, the fifth difference (1, -5, 10, ...) is the one direction that no lower moment sees.
    tilt = np.array([-1, 5, -10, 10, -5, 1]) / 32 * 0.06
    for each in (-1, 1):
        codes[side == each, 5] = generator.choice(points, size=np.sum(side == each), p=even + each * tilt)
    return codes


def fifth_moment_of_a_normal_axis(generator: np.random.Generator, side: np.ndarray) -> np.ndarray:
    """Among the central people of a normal axis the classes' densities differ, and no moment below the fifth does."""
    grid = np.linspace(-2.5, 2.5, 2001)
    density = stats.norm.pdf(grid)
    # The odd fifth power, less what of it the first and third are seen to move; the even ones are not moved.
    lower = np.stack([grid, grid**3], axis=1)
    tilt = grid**5 - lower @ np.linalg.solve(lower.T * density @ lower, lower.T * density @ grid**5)
    tilt *= 0.06 / (density / density.sum() @ np.abs(tilt))
    codes = generator.normal(size=(len(side), AXES))
    for each in (-1, 1):
        weights = density * (1 + each * tilt)
        codes[side == each, 5] = generator.choice(grid, size=np.sum(side == each), p=weights / weights.sum())
    return codes


def accuracy_in(world: World, seed: int = 0) -> float:
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 2, len(LEARN) + len(CHOOSE) + len(TEST)).astype(np.int32)
    examples = Examples(world(generator, 2 * labels - 1).astype(np.float32), {"y": Target(labels, 2)})
    attacker = MomentsAttacker().fit(examples.take(LEARN), examples.take(CHOOSE))
    return float(np.mean(attacker.predict(examples.inputs[TEST])["y"].argmax(axis=1) == labels[TEST]))


@pytest.mark.parametrize(
    "world", [xor_of_signs, silent_axis, covariance, radius, fifth_moment, fifth_moment_of_a_normal_axis]
)
def test_a_leak_of_three_points_is_found(world):
    # The standard error on 15,000 people is .004; without the leak, .515 would be 3.7 of them.
    assert accuracy_in(world) > 0.515


@pytest.mark.parametrize("world", [fifth_moment, fifth_moment_of_a_normal_axis])
def test_the_fifth_moment_is_the_first_that_differs(world):
    generator, side = np.random.default_rng(1), np.repeat([-1, 1], 500_000)
    number = world(generator, side)[:, 5]
    powers = np.array([number**k for k in range(1, 6)])
    gaps = powers[:, side == 1].mean(axis=1) - powers[:, side == -1].mean(axis=1)
    deviations = np.abs(gaps) / (powers.std(axis=1) * np.sqrt(2 / 500_000))
    assert max(deviations[:4]) < 3.5
    assert deviations[4] > 4.5


def test_where_nothing_leaks_nothing_is_found():
    assert abs(accuracy_in(lambda generator, side: generator.normal(size=(len(side), AXES))) - 0.5) < 0.016


def test_polynomials_are_uncorrelated_and_of_their_degree():
    generator = np.random.default_rng(2)
    axes = np.stack([generator.exponential(size=900), generator.integers(0, 3, 900), np.zeros(900)], axis=1)
    axes = ((axes - axes.mean(axis=0)) / np.maximum(axes.std(axis=0), 1e-9)).astype(np.float32)
    values = np.stack([hermevander(axes[:, i], 6) @ each for i, each in enumerate(orthonormal_polynomials(axes))])
    # Three different numbers leave polynomials up to the second, a single one the constant.
    for got, ones in zip(values, (7, 3, 1), strict=True):
        np.testing.assert_allclose(got.T @ got / 900, np.diag(np.arange(7) < ones), atol=1e-5)
    for degree, each in enumerate(values[0].T):
        assert np.polyfit(axes[:, 0], each, degree, full=True)[1] == pytest.approx(0, abs=1e-6)


def test_the_polynomials_of_a_normal_axis_are_hermites():
    axis = stats.norm.ppf((np.arange(200_000) + 0.5) / 200_000).astype(np.float32)
    (polynomials,) = orthonormal_polynomials(axis[:, None])
    expected = np.diag(1 / np.sqrt(factorial(np.arange(7))))
    np.testing.assert_allclose(np.abs(polynomials), expected, atol=0.01)


def test_ranks_are_scipys():
    generator = np.random.default_rng(3)
    learned = np.stack([generator.normal(size=50), generator.integers(0, 3, 50)], axis=1)
    expected = [[stats.percentileofscore(column, x, "mean") / 100 for x in column] for column in learned.T]
    np.testing.assert_allclose(ranks(learned, np.sort(learned, axis=0)), expected)


def test_moments_are_functions_of_one_axis_of_all_and_products_of_two():
    axes = np.random.default_rng(3).normal(size=(20, 4)).astype(np.float32)
    polynomials, norm = orthonormal_polynomials(axes), np.square(axes).sum(axis=1)
    shares = np.random.default_rng(4).random((4, 20))
    features = moments(moment_basis(axes, polynomials, shares), moment_factors(4))
    higher = [hermevander(axes[:, i].astype(np.float64), 6) @ polynomials[i] for i in range(4)]
    pairs = [axes[:, i] * axes[:, j] for i in range(4) for j in range(i + 1, 4)]
    expected = [*axes.T, *np.sign(axes.T), *(higher[i][:, degree] for degree in range(2, 7) for i in range(4))]
    expected += [*(np.cos(k * np.pi * shares[i]) for k in range(1, 9) for i in range(4))]
    expected += [*np.abs(axes.T), *np.log(np.abs(axes.T) + 1e-4), norm, np.log(norm + 1e-4), *pairs, *np.sign(pairs)]
    np.testing.assert_allclose(features, expected, rtol=1e-4, atol=1e-5)


def test_associations_rank_as_scikit_learns_tests():
    generator = np.random.default_rng(4)
    labels, missing = generator.integers(0, 3, 500).astype(np.int32), generator.random(500) < 0.3
    values = generator.normal(50, 10, 500).astype(np.float32)
    features = (100 + generator.normal(size=(500, 6)) + np.outer(labels, np.arange(6)) + 0.1 * values[:, None]).T
    targets = [Target(np.where(missing, -1, labels), 3), Target(np.where(missing, np.nan, values), 0)]
    of_classes, of_values = associations(features.astype(np.float32), targets)
    known = features[:, ~missing].T
    ratio = f_classif(known, labels[~missing])[0] * 2 / (np.sum(~missing) - 3)
    np.testing.assert_allclose(of_classes, ratio / (1 + ratio), rtol=1e-3)
    np.testing.assert_allclose(of_values, r_regression(known, values[~missing]) ** 2, rtol=1e-3)


def test_triples_of_signs_are_ranked_like_everything_else():
    generator = np.random.default_rng(5)
    axes = generator.normal(size=(4000, 5)).astype(np.float32)
    labels = (np.sign(axes[:, [0, 2, 4]]).prod(axis=1) > 0).astype(np.int32)
    missing = generator.random(4000) < 0.2
    targets = [Target(np.where(missing, -1, labels), 2), Target(np.where(missing, np.nan, axes[:, 1] ** 3), 0)]
    shares = np.zeros((5, 4000))
    triples = sign_triples(5)
    features = moments(moment_basis(axes, orthonormal_polynomials(axes), shares), triples)
    expected = [np.sign(axes[:, [i, j, k]]).prod(1) for i in range(5) for j in range(i + 1, 5) for k in range(j + 1, 5)]
    np.testing.assert_array_equal(features, expected)
    np.testing.assert_allclose(sign_associations(features, targets), associations(features, targets), atol=5e-3)
    found = triples[sign_associations(features, targets)[0].argmax()] - 6
    assert found.tolist() == [0, 2, 4]


def test_a_feature_that_does_not_vary_has_nothing_to_do_with_anything():
    target = Target(np.array([0, 1, 0, 1], np.int32), 2)
    np.testing.assert_array_equal(associations(np.full((1, 4), 0.1, np.float32), [target]), 0)


def test_values_missing_labels_unseen_classes_and_axes_that_do_not_vary():
    generator = np.random.default_rng(5)
    codes = generator.normal(size=(3000, 3)).astype(np.float32)
    codes[:, 2], codes[5, 1] = 3, 1e6
    values, missing = 40 + 5 * np.square(codes[:, 0]), generator.random(3000) < 0.3
    labels = np.where(missing, -1, np.where(codes[:, 0] * np.sign(codes[:, 1]) > 0, 2, 0)).astype(np.int32)
    targets = {"y": Target(labels, 3), "v": Target(np.where(missing, np.nan, values).astype(np.float32), 0)}
    examples = Examples(codes, targets)
    attacker = MomentsAttacker().fit(examples.take(np.arange(2000)), examples.take(np.arange(2000, 2300)))
    got, truth = attacker.predict(codes[2300:]), (codes[2300:, 0] * codes[2300:, 1] > 0) * 2
    assert np.mean(got["y"].argmax(axis=1) == truth) > 0.97
    assert np.isneginf(got["y"][:, 1]).all()
    assert np.mean(np.abs(got["v"] - values[2300:])) < 0.5


def test_where_nothing_can_be_learned_nothing_is_answered():
    codes = np.random.default_rng(6).normal(size=(100, 2)).astype(np.float32)
    examples = Examples(codes, {"y": Target(np.zeros(100, np.int32), 2)})
    assert MomentsAttacker().fit(examples, examples).predict(codes) == {}
