"""Upper bounds on the accuracy of any attacker: from information, from noise, and from counts of a finite code.

The attacker may know everything but the person's own label: the population, the encoder, the decoder. Natural
logarithms; proofs and sources are in docs/certificates.md. Balanced accuracy, the mean over the classes of the share
predicted correctly, is accuracy where all classes are equally frequent: pass `uniform_priors(class_count)`.
"""

from collections.abc import Callable

import numpy as np
from scipy import optimize, special

_TOLERANCE = 1e-12
"""How finely equations are solved; bounds are rounded up by as much."""


def uniform_priors(class_count: int) -> np.ndarray:
    """float64 [class_count]: equally frequent classes, under which accuracy is balanced accuracy."""
    return np.full(class_count, 1 / class_count)


def accuracy_from_information(information: float, priors: np.ndarray) -> float:
    """Largest accuracy of an attacker with `information` about the class: the smaller of the Fano and kl bounds.

    Args:
        information: nats of mutual information between class and release, or an upper bound on it; at least 0.
        priors: float [class_count], shares of the classes.

    Raises:
        ValueError: negative information, or priors that are no distribution.
    """
    return min(fano_accuracy(information, priors), kl_accuracy(information, priors))


def balanced_accuracy_from_information(information: float, priors: np.ndarray) -> float:
    """Largest balanced accuracy of an attacker with `information`, where the classes have these `priors`.

    With equally frequent classes the same release would give at most information / (class_count * smallest prior):
    mutual information is the least mean divergence of the classes' codes from any one distribution, so each class
    counts at most 1 / (class_count * its prior) times what it counted before.

    Args, raises: as `accuracy_from_information`; where a class has no people nothing is bounded, and 1 is returned.
    """
    priors = _checked(priors)
    if priors.min() == 0:
        return 1.0
    return accuracy_from_information(information / (len(priors) * priors.min()), uniform_priors(len(priors)))


def fano_accuracy(information: float, priors: np.ndarray) -> float:
    """Fano's inequality solved for the accuracy A: h(A) + (1 - A) ln(class_count - 1) >= H(class) - information.

    Exact for equally frequent classes (Feder and Merhav 1994). Args and raises as `accuracy_from_information`.
    """
    present = _checked(priors)
    present = present[present > 0]
    missing = float(special.entr(present).sum()) - _checked_information(information)

    def excess(accuracy: float) -> float:
        error = 1 - accuracy
        entropy = special.entr(accuracy) + special.entr(error)
        return float(entropy + special.xlogy(error, len(present) - 1) - missing)

    return max(_decreasing_root(excess, 1 / len(present)), float(present.max()))


def kl_accuracy(information: float, priors: np.ndarray) -> float:
    """The largest A with kl(A || largest prior) <= information: data processing on the event of a correct guess.

    Args and raises as `accuracy_from_information`.
    """
    chance = float(_checked(priors).max())
    information = _checked_information(information)

    def excess(accuracy: float) -> float:
        return information - float(special.rel_entr(accuracy, chance) + special.rel_entr(1 - accuracy, 1 - chance))

    return _decreasing_root(excess, chance)


def hockey_stick(gamma: float, separation: float) -> float:
    """E_gamma of N(separation, 1) against N(0, 1): the largest P(event) - gamma * Q(event) over all events.

    Phi(separation/2 - ln(gamma)/separation) - gamma * Phi(-separation/2 - ln(gamma)/separation) (Balle and Wang 2018);
    for gamma = 1 the total variation.

    Args:
        gamma: positive, may be infinite.
        separation: distance of the means in deviations, at least 0.
    """
    if np.isinf(gamma):
        return 0.0
    if separation == 0:
        return max(0.0, 1 - gamma)
    shift = np.log(gamma) / separation
    value = special.ndtr(separation / 2 - shift) - gamma * special.ndtr(-separation / 2 - shift)
    return float(np.clip(value, max(0.0, 1 - gamma), 1.0))


def noise_mechanism_accuracy(radius: float, sigma: float, priors: np.ndarray, releases: int = 1) -> float:
    """Largest accuracy of an attacker on clip_R(m(x)) + sigma * eps, eps ~ N(0, I), with constant sigma.

    Whatever m is, any two people's means are at most 2R apart and every mean is within R of 0. The first bounds two
    classes exactly (Phi(R / sigma) where they are equally frequent), the second is the smaller for many classes.

    Args:
        radius: R, the largest Euclidean norm that clipping leaves; at least 0.
        sigma: standard deviation of the noise on every coordinate; positive, the same for every photo.
        priors: float [class_count], shares of the classes.
        releases: how many codes of one person, each with noise of its own, the attacker has; they are worth as much
            as one code with sigma / sqrt(releases) (Dong, Roth and Su 2022).

    Raises:
        ValueError: an argument is outside its range.
    """
    if not (np.isfinite(radius) and radius >= 0 and np.isfinite(sigma) and sigma > 0 and releases >= 1):
        raise ValueError(
            f"got radius {radius}, sigma {sigma}, releases {releases}; need radius >= 0, sigma > 0, releases >= 1"
        )
    priors = _checked(priors)
    reach = radius / sigma * np.sqrt(releases)
    return min(_accuracy_by_pairs(2 * reach, priors), _accuracy_by_centre(reach, priors))


def _accuracy_by_pairs(separation: float, priors: np.ndarray) -> float:
    """pi_max + sum over the other classes of pi_i E_{pi_max/pi_i}: max <= first + sum of (others - first)_+."""
    first = int(np.argmax(priors))
    others = np.delete(priors, first)
    gain = sum(p * hockey_stick(priors[first] / p, separation) for p in others if p > 0)
    return min(1.0, float(priors[first] + gain))


def _accuracy_by_centre(separation: float, priors: np.ndarray) -> float:
    """The least over t of t + sum of pi_i E_{t/pi_i}: the same with the noise around 0, t times, as the first."""

    def bound(level: float) -> float:
        return float(level + sum(p * hockey_stick(level / p, separation) for p in priors if p > 0))

    # Every level gives a valid bound, so the search need not be exact.
    best = optimize.minimize_scalar(bound, bounds=(0.0, 1.0), method="bounded", options={"xatol": 1e-9})
    return min(1.0, float(best.fun))


def finite_code_accuracy(counts: np.ndarray, confidence: float = 0.95) -> float:
    """With `confidence`, no attacker on the code, or on anything made from it alone, has a larger accuracy.

    The share of people in their cell's largest class is on average at least the best attacker's accuracy (Jensen),
    and one person changes it by at most 1/n (McDiarmid 1989).

    Args:
        counts: int [cells, class_count], people by value of the code and class, drawn independently from the
            population and in no way used to make the encoder.
        confidence: probability, over the draw of the people, that the bound holds.

    Raises:
        ValueError: no people, negative counts, or a confidence outside (0, 1).
    """
    counts = _checked_counts(counts, confidence)
    people = counts.sum()
    return min(1.0, float(counts.max(axis=1).sum() / people + np.sqrt(-np.log1p(-confidence) / (2 * people))))


def finite_code_balanced_accuracy(counts: np.ndarray, confidence: float = 0.95) -> float:
    """As `finite_code_accuracy`, for balanced accuracy: every class counts the same, whatever its size.

    Given the n_c people of each class, one of them changes the figure by at most 1 / (class_count * n_c).

    Raises:
        ValueError: also where a class has no people.
    """
    counts = _checked_counts(counts, confidence)
    people, class_count = counts.sum(axis=0), counts.shape[1]
    if not people.all():
        raise ValueError(f"got {people.tolist()} people by class; balanced accuracy needs people of every class")
    resubstitution = (counts / people).max(axis=1).sum() / class_count
    reach = np.sqrt(-np.log1p(-confidence) / 2 * np.sum(1 / people)) / class_count
    return min(1.0, float(resubstitution + reach))


def _decreasing_root(function: Callable[[float], float], low: float) -> float:
    """Where a decreasing function on [low, 1] falls to 0, rounded up; an end where it does not."""
    if function(low) <= 0:
        return low
    if function(1.0) >= 0:
        return 1.0
    return min(1.0, float(optimize.brentq(function, low, 1.0, xtol=_TOLERANCE)) + _TOLERANCE)


def _checked(priors: np.ndarray) -> np.ndarray:
    priors = np.asarray(priors, np.float64)
    if priors.ndim != 1 or len(priors) < 2 or not (priors >= 0).all() or abs(priors.sum() - 1) > 1e-6:
        raise ValueError(f"got priors {priors}; expected the shares of two or more classes, which sum to 1")
    return priors / priors.sum()


def _checked_information(information: float) -> float:
    if not information >= 0:
        raise ValueError(f"got {information} nats of information; expected 0 or more")
    return float(information)


def _checked_counts(counts: np.ndarray, confidence: float) -> np.ndarray:
    counts = np.asarray(counts)
    if counts.ndim != 2 or counts.shape[1] < 2 or (counts < 0).any() or counts.sum() == 0:
        raise ValueError(f"got counts of shape {counts.shape}; expected people by cell and by two or more classes")
    if not 0 < confidence < 1:
        raise ValueError(f"got confidence {confidence}; expected a number between 0 and 1, such as 0.95")
    return counts
