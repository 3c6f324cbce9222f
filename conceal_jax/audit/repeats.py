"""Inputs of an attacker with several releases of one photo, or with the mean code that they converge to."""

import numpy as np

from conceal_jax.audit.examples import Examples, Posterior

MEAN = "mean"
RELEASES: tuple[int | str, ...] = (1, 4, 16, 64, MEAN)


def repeated(examples: Examples, releases: int | str, seed: tuple[int, ...]) -> Examples:
    """The same people with several codes of each photo, as one row of inputs.

    Several codes become the mean and the spread of each dimension, which are sufficient statistics of Gaussian codes.
    The mean code comes with the spread too, as infinitely many releases show both.

    Args:
        examples: with posteriors.
        releases: how many codes of each photo, or `MEAN`.
        seed: of the codes.

    Returns:
        Inputs float32 [N, L] for one code, else [N, 2L] with the logarithm of the spread.
    """
    assert examples.posterior is not None
    inputs = _release(examples.posterior, releases, np.random.default_rng(seed))
    return Examples(inputs, examples.targets, None, examples.people)


def _release(posterior: Posterior, releases: int | str, generator: np.random.Generator) -> np.ndarray:
    if not isinstance(releases, int):
        return _with_spread(posterior.mean, posterior.std)
    mean, spread = release_moments(posterior, releases, generator)
    return mean if releases == 1 else _with_spread(mean, spread)


def release_moments(
    posterior: Posterior, releases: int, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of several codes of each photo, float32 [N, L].

    Drawn directly, not code by code: for Gaussians they are independent, one Gaussian, the other chi-square.
    """
    noise = generator.standard_normal(posterior.mean.shape, np.float32)
    mean = posterior.mean + posterior.std * noise / np.sqrt(releases, dtype=np.float32)
    if releases == 1:
        return mean, np.zeros_like(mean)
    chi_square = generator.chisquare(releases - 1, posterior.mean.shape).astype(np.float32)
    return mean, posterior.std * np.sqrt(chi_square / (releases - 1))


def _with_spread(mean: np.ndarray, spread: np.ndarray) -> np.ndarray:
    return np.concatenate([mean, np.log(spread)], axis=1)
