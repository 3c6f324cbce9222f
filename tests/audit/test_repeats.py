"""Repeated releases: the moments of m Gaussian codes, and what they give away."""

import numpy as np
import pytest

from conceal_jax.audit.examples import Examples, Posterior
from conceal_jax.audit.repeats import MEAN, RELEASES, release_moments, repeated


def posterior(count: int, length: int = 2) -> Posterior:
    generator = np.random.default_rng(0)
    return Posterior(
        generator.normal(size=(count, length)).astype(np.float32),
        generator.uniform(0.5, 2, (count, length)).astype(np.float32),
    )


@pytest.mark.parametrize("releases", [2, 4, 16])
def test_moments_are_distributed_as_those_of_codes_drawn_one_by_one(releases):
    one = Posterior(np.full((40_000, 1), 3, np.float32), np.full((40_000, 1), 2, np.float32))
    mean, spread = release_moments(one, releases, np.random.default_rng(0))
    codes = 3 + 2 * np.random.default_rng(1).normal(size=(40_000, releases))
    for drawn, direct in ((mean[:, 0], codes.mean(1)), (spread[:, 0], codes.std(1, ddof=1))):
        np.testing.assert_allclose(np.quantile(drawn, [0.1, 0.5, 0.9]), np.quantile(direct, [0.1, 0.5, 0.9]), atol=0.05)


def test_one_release_is_a_code_and_the_mean_comes_with_its_spread():
    examples = Examples(np.zeros((5, 2), np.float32), {}, posterior(5))
    assert repeated(examples, 1, (0,)).inputs.shape == (5, 2)
    expected = np.concatenate([examples.posterior.mean, np.log(examples.posterior.std)], axis=1)
    np.testing.assert_array_equal(repeated(examples, MEAN, (0,)).inputs, expected)


def test_more_releases_come_nearer_to_the_mean():
    examples = Examples(np.zeros((2000, 2), np.float32), {}, posterior(2000))
    distances = [
        np.abs(repeated(examples, releases, (0,)).inputs[:, :2] - examples.posterior.mean).mean()
        for releases in RELEASES
    ]
    assert distances == sorted(distances, reverse=True)
    # The noise of m releases falls with the square root of m.
    assert distances[0] / distances[2] == pytest.approx(4, rel=0.05)
