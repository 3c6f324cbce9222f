"""Synthetic colour faces with known factors, and the exact floor that their correlations imply.

The concealed factors are named as on photographs (gender, ethnicity, age). The kept factors are known exactly, and so
is what they reveal of the concealed ones.
"""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from conceal_jax.data.synthetic import render as synthetic_render

Levels = tuple[str, ...] | tuple[float, float]
Correlation = Mapping[tuple[str, str], float]

CONCEALED: Mapping[str, Levels] = MappingProxyType(
    {
        "gender": ("male", "female"),
        "ethnicity": ("White", "Black", "Asian", "Indian", "Other"),
        "age": (0.0, 100.0),
    }
)
"""Concealed factors: the names of the classes, or the (low, high) range of a continuous factor; age in years."""

KEPT: Mapping[str, Levels] = MappingProxyType(
    {
        "smile": ("no", "yes"),
        "hair": ("short", "long", "curly", "buzz"),
        "glasses": ("no", "yes"),
        "brightness": (0.0, 1.0),
        "background": (0.0, 1.0),
        "pose": (-1.0, 1.0),
    }
)
"""Kept factors, described as in `CONCEALED`. Pose is the turn of the head, from the viewer's left to the right."""

AGE_GROUP_STARTS = (0, 3, 10, 20, 30, 40, 50, 60, 70)
"""First year of each audit group of ages: 0-2, 3-9, 10-19, 20-29, ..., 60-69, 70 and over."""

UNCORRELATED: Correlation = MappingProxyType({})


def draw_factors(count: int, seed: int, correlation: Correlation = UNCORRELATED) -> dict[str, np.ndarray]:
    """Draws the factors of `count` faces: int32 classes and float32 values, each [count].

    Every factor is uniform on its classes or range, and the concealed ones are independent of each other.
    `correlation[kept, concealed]` is the probability that the kept factor follows the concealed one: it is then
    drawn from the part of its range that lies where the concealed class (for age, its audit group) lies among the
    concealed classes. A smile that follows gender is "no" for male and "yes" for female. Marginals stay uniform
    whatever the correlation. Face i depends on (seed, i) and the correlation only, not on `count`.

    Raises ValueError for a negative count, an unknown factor, a probability outside 0..1, or probabilities of one
    kept factor that sum to more than 1.
    """
    if count < 0:
        raise ValueError(f"count is {count}; it must be 0 or more")
    _check_correlation(correlation)
    streams = iter(np.random.SeedSequence(seed).spawn(len(CONCEALED) + len(KEPT)))
    factors, classes = {}, {}
    for name, levels in CONCEALED.items():
        factors[name] = _from_uniform(np.random.default_rng(next(streams)).random(count), levels)
        classes[name] = _audit_class(name, factors[name])
    for name, levels in KEPT.items():
        position, choice = np.random.default_rng(next(streams)).random((count, 2)).T
        factors[name] = _from_uniform(_follow(name, position, choice, classes, correlation), levels)
    return factors


def render_faces(factors: Mapping[str, np.ndarray], seed: int, size: int = 64) -> np.ndarray:
    """Draws the faces: uint8 [count, size, size, 3], RGB.

    `factors` holds every name of `CONCEALED` and `KEPT`, each [count], as `draw_factors` gives them. Everything a
    face needs beyond them (its exact skin tone, its place in the frame, its clothes, the camera's noise) is nuisance,
    drawn from the seed. Picture i depends on (seed, i) and its own factors only.

    Raises ValueError when a factor is missing, of another length, or out of its range, or the size is below 16.
    """
    if size < 16:
        raise ValueError(f"size is {size} pixels; a face needs at least 16")
    return synthetic_render.render({name: _checked(name, factors) for name in (*CONCEALED, *KEPT)}, seed, size)


def floor_accuracy(concealed: str, correlation: Correlation = UNCORRELATED) -> float:
    """Best balanced accuracy with which the kept factors alone predict a concealed one (age: its nine audit groups).

    It is (1/C) sum_s max_c P(s | c), over the C concealed classes and the states s of the kept factors: Bayes' rule
    where every class counts the same. The sum is exact: the density of a continuous kept factor is constant between
    the borders of concealed classes, so its states are the intervals between borders.

    Raises ValueError for a name that is not concealed, and as `draw_factors` does.
    """
    if concealed not in CONCEALED:
        raise ValueError(f"{concealed!r} is not a concealed factor; choose one of {', '.join(CONCEALED)}")
    _check_correlation(correlation)
    joint = np.ones([1] * (1 + len(CONCEALED)))
    for kept in sorted({kept for kept, _ in correlation}):
        states = _state_probabilities(kept, correlation)
        joint = (joint[None] * states[:, None]).reshape(-1, *states.shape[1:])
    for axis, name in enumerate(CONCEALED, start=1):
        if name != concealed:
            joint = (joint * _along(axis, np.diff(_class_borders(name)))).sum(axis, keepdims=True)
    classes = len(_class_borders(concealed)) - 1
    return float(joint.reshape(len(joint), -1).max(axis=1).sum() / classes)


def _check_correlation(correlation: Correlation) -> None:
    total = dict.fromkeys(KEPT, 0.0)
    for (kept, concealed), probability in correlation.items():
        if kept not in KEPT or concealed not in CONCEALED:
            raise ValueError(
                f"correlation names the pair {(kept, concealed)}; write (kept, concealed) with kept one of "
                f"{', '.join(KEPT)} and concealed one of {', '.join(CONCEALED)}"
            )
        if not 0 <= probability <= 1:
            raise ValueError(f"correlation of {(kept, concealed)} is {probability}; it is a probability, 0 to 1")
        total[kept] += probability
    for kept, probability in total.items():
        if probability > 1 + 1e-9:
            raise ValueError(f"correlations of {kept} sum to {probability:g}; they are shares, at most 1 together")


def _from_uniform(position: np.ndarray, levels: Levels) -> np.ndarray:
    """The factor's value at a position in [0, 1) of its classes or range."""
    if isinstance(levels[0], str):
        return np.minimum((position * len(levels)).astype(np.int32), len(levels) - 1)
    low, high = levels
    return (low + (high - low) * position).astype(np.float32)


def _class_borders(concealed: str) -> np.ndarray:
    """Where in [0, 1] the classes of a concealed factor begin and end: float64 [classes + 1]."""
    levels = CONCEALED[concealed]
    if isinstance(levels[0], str):
        return np.arange(len(levels) + 1) / len(levels)
    low, high = levels
    return (np.array([*AGE_GROUP_STARTS, high]) - low) / (high - low)


def _audit_class(concealed: str, values: np.ndarray) -> np.ndarray:
    if isinstance(CONCEALED[concealed][0], str):
        return values
    return np.searchsorted(AGE_GROUP_STARTS, values, side="right") - 1


def _follow(
    kept: str,
    position: np.ndarray,
    choice: np.ndarray,
    classes: Mapping[str, np.ndarray],
    correlation: Correlation,
) -> np.ndarray:
    """Moves the positions of a kept factor, where `choice` says so, into the interval of the concealed class."""
    followed, threshold = position, 0.0
    for (name, concealed), probability in correlation.items():
        if name == kept:
            borders = _class_borders(concealed)
            start, width = borders[classes[concealed]], np.diff(borders)[classes[concealed]]
            chosen = (threshold <= choice) & (choice < threshold + probability)
            followed = np.where(chosen, start + width * position, followed)
            threshold += probability
    return followed


def _state_probabilities(kept: str, correlation: Correlation) -> np.ndarray:
    """P(state of the kept factor | concealed classes): float64 [states, gender, ethnicity, age group]."""
    sources = {concealed: share for (name, concealed), share in correlation.items() if name == kept}
    levels = KEPT[kept]
    if isinstance(levels[0], str):
        edges = np.arange(len(levels) + 1) / len(levels)
    else:
        edges = np.unique(np.concatenate([_class_borders(concealed) for concealed in sources]))
    shape = [len(edges) - 1] + [len(_class_borders(name)) - 1 for name in CONCEALED]
    probabilities = np.broadcast_to((1 - sum(sources.values())) * _along(0, np.diff(edges)), shape)
    for axis, name in enumerate(CONCEALED, start=1):
        if name in sources:
            borders = _class_borders(name)
            overlap = np.minimum(edges[1:, None], borders[1:]) - np.maximum(edges[:-1, None], borders[:-1])
            given = np.maximum(overlap, 0) / np.diff(borders)
            given_shape = [size if i in (0, axis) else 1 for i, size in enumerate(shape)]
            probabilities = probabilities + sources[name] * given.reshape(given_shape)
    return probabilities


def _along(axis: int, values: np.ndarray) -> np.ndarray:
    """A vector laid along one axis of [states, *concealed classes]."""
    return values.reshape([-1 if i == axis else 1 for i in range(1 + len(CONCEALED))])


def _checked(name: str, factors: Mapping[str, np.ndarray]) -> np.ndarray:
    """One factor as float32 [count], or a ValueError that says what is wrong with it."""
    if name not in factors:
        raise ValueError(f"factor {name!r} is missing; render_faces needs {', '.join((*CONCEALED, *KEPT))}")
    values, levels = np.asarray(factors[name]), {**CONCEALED, **KEPT}[name]
    count = np.size(next(iter(factors.values())))
    if values.shape != (count,):
        raise ValueError(f"factor {name!r} has shape {values.shape}; every factor is a vector of the same length")
    if isinstance(levels[0], str):
        valid, expected = np.isin(values, range(len(levels))), f"classes 0 to {len(levels) - 1}"
    else:
        valid, expected = (
            (levels[0] <= values) & (values <= levels[1]),
            f"values {levels[0]:g} to {levels[1]:g}",
        )
    if not valid.all():
        raise ValueError(f"factor {name!r} holds {values[~valid][0]}; it takes {expected}")
    return values.astype(np.float32)
