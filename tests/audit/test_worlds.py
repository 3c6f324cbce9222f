"""The worlds on which the audit is tested are what they say."""

import itertools

import numpy as np
import pytest
from scipy import special, stats

from tests.audit.worlds import WORLDS, draw, fifth_steps, fifth_wave

PEOPLE, DIMENSIONS, LEAK = 20_000, 64, 0.03


@pytest.mark.parametrize("name", WORLDS)
@pytest.mark.parametrize("leak", [LEAK, 0.06])
def test_the_best_attacker_is_as_good_as_stated(name, leak):
    world = draw(name, 100_000, 24, leak, seed=1)
    assert world.codes.shape == (100_000, 24)
    assert (world.codes.dtype, world.labels.dtype) == (np.float32, np.int32)
    assert world.accuracy == 1 / world.class_count + (leak if name != "none" else 0)
    right = world.labels == world.scores.argmax(axis=1)
    recalls = [right[world.labels == label].mean() for label in range(world.class_count)]
    error = 0.5 * (world.class_count / len(right)) ** 0.5
    if name != "none":
        assert np.mean(recalls) == pytest.approx(world.accuracy, abs=4 * error)
    # The mean of the largest posterior is the best accuracy too, and known far more exactly.
    assert special.softmax(world.scores, axis=1).max(axis=1).mean() == pytest.approx(world.accuracy, abs=2e-3)


@pytest.mark.parametrize("name", WORLDS)
def test_a_seed_is_a_world(name):
    first, again, other = (draw(name, 50, 8, LEAK, seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.codes, again.codes)
    np.testing.assert_array_equal(first.labels, again.labels)
    assert not np.array_equal(first.codes, other.codes)


@pytest.mark.parametrize("name", ["radial", "variance", "covariance", "xor", "parity", "xor_rotated", "keyed"])
def test_the_means_tell_nothing(name):
    world = draw(name, 100_000, 24, 0.2, seed=0)
    assert np.abs(_difference(world, world.codes)).max() < 4.5 * 2 / 100_000**0.5


def test_the_covariances_tell_nothing_of_a_parity_of_three():
    world = draw("parity", 100_000, 8, 0.2, seed=0)
    products = world.codes[:, :, None] * world.codes[:, None, :]
    # A squared normal number has the variance 2.
    assert np.abs(_difference(world, products)).max() < 4.5 * 2 * (2 / 100_000) ** 0.5


def test_no_number_alone_tells_anything_where_the_covariance_leaks():
    world = draw("covariance", 100_000, 2, 0.2, seed=0)
    for column in world.codes.T:
        assert stats.ks_2samp(column[world.labels == 0], column[world.labels == 1]).pvalue > 1e-3
    assert _difference(world, world.codes.prod(axis=1)) == pytest.approx(2 * np.sin(np.pi * 0.2), abs=0.03)


@pytest.mark.parametrize("wave", [fifth_wave, fifth_steps])
def test_four_moments_agree_and_the_fifth_does_not(wave):
    step = 1e-5
    z = np.arange(-10, 10, step) + step / 2
    density = wave(z) * stats.norm.pdf(z)
    moments = [np.sum(density * z**order) * step for order in range(6)]
    np.testing.assert_allclose(moments[:5], 0, atol=1e-4)
    assert abs(moments[5]) > 1


def test_a_quiet_direction_has_a_ten_thousandth_of_the_variance():
    axis, rotated = (draw(name, 20_000, 16, LEAK, seed=0).codes for name in ("quiet", "quiet_rotated"))
    assert axis.var(axis=0)[0] / axis.var(axis=0)[1:].mean() == pytest.approx(1e-4, rel=0.05)
    assert rotated.var(axis=0).min() > 0.4
    assert np.linalg.eigvalsh(np.cov(rotated.T))[0] == pytest.approx(1e-4, rel=0.05)


@pytest.mark.parametrize(("name", "order"), [("xor", 2), ("parity", 3)])
def test_screening_every_product_of_signs_finds_the_one_that_leaks(name, order):
    world = draw(name, PEOPLE, DIMENSIONS, LEAK, seed=0)
    signs = np.sign(world.codes).astype(np.float32)
    pairs = list(itertools.combinations(range(DIMENSIONS), order - 1))
    products = np.stack([signs[:, list(pair)].prod(axis=1) for pair in pairs])
    scores = np.abs(products @ (signs * (2 * world.labels - 1)[:, None])) / PEOPLE**0.5
    # Of 41,664 products of three, the largest among those that tell nothing is near 4.4 standard errors.
    own = [set(pair) | {axis} == set(range(order)) for pair in pairs for axis in range(DIMENSIONS)]
    new = [axis not in pair for pair in pairs for axis in range(DIMENSIONS)]
    others = scores.ravel()[np.array(new) & ~np.array(own)]
    assert scores.ravel()[own].min() > 6
    assert others.max() < 5.5


def test_a_rotated_xor_is_hidden_from_every_test():
    """Any test that finds the leak with probability p in the average plane cries wolf with at least p - .3.

    Le Cam and Ingster: p minus the false alarms is at most the total variation between the people of a random plane and
    those of no leak, and that at most sqrt(chi2) / 2. With labels +-1 and f the product of signs in a plane, the
    likelihood ratio of n people is prod(1 + a y f(z)), a = 2 leak, so that chi2 + 1 = E[(1 + a^2 K)^n] over two random
    planes, K = E[f f']. By degree of Hermite polynomials, K is (2/pi)^2 (R11 R22 + R12 R21) in degree 2, R the products
    of the planes' axes; higher degrees add at most what they add at R = r I, r the largest singular value, where the
    whole is K = (2 asin(r) / pi)^2.
    """
    rng = np.random.default_rng(0)
    # By symmetry one plane may be that of the first two axes.
    overlaps = _orthonormal_pairs(rng, 100_000, DIMENSIONS)[:, :2]
    largest = np.minimum(np.linalg.norm(overlaps, 2, axis=(1, 2)), 1)
    second = (2 / np.pi) ** 2 * (overlaps[:, 0, 0] * overlaps[:, 1, 1] + overlaps[:, 0, 1] * overlaps[:, 1, 0])
    agreement = second + (2 / np.pi * np.arcsin(largest)) ** 2 - (2 / np.pi * largest) ** 2
    chi2 = np.mean(np.exp(PEOPLE * np.log1p((2 * LEAK) ** 2 * agreement))) - 1
    assert np.sqrt(chi2) / 2 < 0.3


def _orthonormal_pairs(rng, count, dimensions):
    first, second = rng.standard_normal((2, count, dimensions))
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    second -= first * np.sum(first * second, axis=1, keepdims=True)
    return np.stack([first, second / np.linalg.norm(second, axis=1, keepdims=True)], axis=2)


def test_the_bound_on_agreement_holds():
    """K of the proof above against simulation, for planes turned against each other by two angles."""
    z = np.random.default_rng(0).standard_normal((400_000, 4))
    signs = np.sign(z[:, 0] * z[:, 1])
    for angles in ([0.3, 0.3], [0.2, 1.2], [0.9, 0.9]):
        turned = z[:, :2] * np.cos(angles) + z[:, 2:] * np.sin(angles)
        overlaps, largest = np.cos(angles), np.cos(min(angles))
        bound = (2 / np.pi) ** 2 * (overlaps.prod() - largest**2 + np.arcsin(largest) ** 2)
        assert np.mean(signs * np.sign(turned.prod(axis=1))) < bound + 4 / 400_000**0.5


def test_without_the_key_the_labels_are_fair_coins():
    """No two people share their signs, and a keyed hash of different inputs is independent fair bits."""
    world = draw("keyed", PEOPLE, DIMENSIONS, LEAK, seed=0)
    assert len(np.unique(np.packbits(world.codes > 0, axis=1), axis=0)) == PEOPLE


def _difference(world, features):
    return features[world.labels == 1].mean(axis=0) - features[world.labels == 0].mean(axis=0)
