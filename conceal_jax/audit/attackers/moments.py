"""Attacker on moments: feature selection over many moments of a code, then a linear model on the best of them.

It finds leaks for which networks need far more people.
"""

import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np
from numpy.polynomial.hermite_e import hermevander
from sklearn.preprocessing import StandardScaler

from conceal_jax.audit.attackers.linear import LinearModel, linear_models
from conceal_jax.audit.attackers.selection import answerable, best
from conceal_jax.audit.examples import Examples
from conceal_jax.audit.targets import Target

DEGREE = 6
COSINES = 8
TAIL = 5e-4
"""Share of the people beyond each limit that a dimension is clipped to, as high powers amplify outliers."""
TAIL_PEOPLE = 3
"""The least number of people beyond each limit."""
PAIRED_AXES = 512
TRIPLED_AXES = 64
MOMENTS_AT_ONCE = 256


def orthonormal_polynomials(axes: np.ndarray) -> np.ndarray:
    """Each axis's own polynomials, uncorrelated among its people: Hermite's, up to their sign, if it is normal.

    Only so does one polynomial alone show what moves one moment and leaves the lower ones as they are.

    Args:
        axes: float32 [N, L].

    Returns:
        float64 [L, 7, 7], by column the coefficients in Hermite polynomials; zeros where there are fewer different
        values than determine a polynomial.
    """
    triangles = np.linalg.qr(_hermite(axes) / np.sqrt(len(axes)), mode="r")
    lengths = np.diagonal(triangles, axis1=1, axis2=2)
    # A column of endless length gives a polynomial of zeros.
    excess = np.where(np.abs(lengths) > 1e-4, 0, 1e30)
    return np.linalg.inv(triangles + excess[:, :, None] * np.eye(DEGREE + 1))


def ranks(inputs: np.ndarray, learned: np.ndarray) -> np.ndarray:
    """Share of the training people below each value, ties counted half: float64 [L, N], for inputs [N, L].

    Args:
        inputs: [N, L].
        learned: [M, L], training people, every column sorted.
    """
    columns = list(zip(inputs.T, learned.T, strict=True))
    sides = [[np.searchsorted(column, numbers, side) for numbers, column in columns] for side in ("left", "right")]
    return np.sum(sides, axis=0) / (2 * len(learned))


def moment_basis(axes: np.ndarray, polynomials: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """What moments are made of: the constant 1, every axis, its sign, and other functions of one axis or of all.

    The others are the polynomials of degree 2 to 6, the cosines of 1 to 8 half turns times the rank (they describe
    an axis where most people are, the polynomials its tails), the absolute value and its logarithm, axis by
    axis; and the squared norm and its logarithm.

    Args:
        axes: float32 [N, L], standardised.
        polynomials: of these axes, as `orthonormal_polynomials` gives them.
        shares: of these axes, as `ranks` gives them.

    Returns:
        float32 [1 + 17 L + 2, N].
    """
    higher = (_hermite(axes) @ polynomials[:, :, 2:]).transpose(2, 0, 1)
    cosines = [np.cos(np.pi * half_turns * shares) for half_turns in range(1, COSINES + 1)]
    axes, norm = axes.T, np.square(axes).sum(axis=1)[None]
    # So small a number keeps the logarithm of zero finite, and no other one changes.
    logs = [np.log(positive + 1e-4) for positive in (np.abs(axes), norm)]
    parts = [np.ones_like(norm), axes, np.sign(axes), *higher, *cosines, np.abs(axes), logs[0], norm, logs[1]]
    return np.concatenate([part.astype(np.float32) for part in parts])


def _hermite(axes: np.ndarray) -> np.ndarray:
    """float64 [L, N, 7]: degrees 0 to 6."""
    return hermevander(axes.T.astype(np.float64), DEGREE)


def moment_factors(axis_count: int) -> np.ndarray:
    """The moments that are ranked: int [M, 3], the rows of `moment_basis` of which each is the product.

    They are all of the rows themselves, and of each two of the first 512 axes the product and that of the signs.
    """
    rows = np.arange(1, 1 + (DEGREE + COSINES + 3) * axis_count + 2)
    first, second = np.triu_indices(min(axis_count, PAIRED_AXES), k=1)
    products = np.stack([first + 1, second + 1], axis=1)
    pairs = np.concatenate([np.stack([rows, np.zeros_like(rows)], axis=1), products, products + axis_count])
    return np.pad(pairs, ((0, 0), (0, 1)))


def sign_triples(axis_count: int) -> np.ndarray:
    """int [M, 3]: the rows of `moment_basis` that hold the signs of each three of the first 64 axes."""
    triples = itertools.combinations(range(min(axis_count, TRIPLED_AXES)), 3)
    return np.array(list(triples), int).reshape(-1, 3) + 1 + axis_count


def moments(basis: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """The moments `factors` int [M, 3] of N people: float32 [M, N]."""
    product = basis[factors[:, 0]] * basis[factors[:, 1]]
    return product * basis[factors[:, 2]] if factors[:, 2].any() else product


def associations(features: np.ndarray, targets: Sequence[Target]) -> np.ndarray:
    """Association of each feature with each target, from 0 to 1.

    It is the share of the feature's variance between the classes (eta squared, which ranks like the F of an analysis of
    variance), or the squared correlation with the value, among the people with a known label.

    Args:
        features: float32 [M, N].

    Returns:
        float32 [targets, M]; 0 for a feature that does not vary.
    """
    centred = features - features.mean(axis=1, keepdims=True)
    deviations = centred.std(axis=1, keepdims=True)
    standardised = centred / np.where(deviations > 1e-6, deviations, np.inf)
    squares, shares = np.square(standardised), np.zeros((len(targets), len(features)), np.float32)
    for share, target in zip(shares, targets, strict=True):
        known = target.known.astype(np.float32)
        means = np.square(standardised @ known) / known.sum()
        explained = np.square(standardised @ _directions(target)).sum(axis=1) - means
        share[:] = explained / np.maximum(squares @ known - means, 1e-6 * known.sum())
    return shares


def sign_associations(signs: np.ndarray, targets: Sequence[Target]) -> np.ndarray:
    """`associations` of features +1 and -1 that have mean zero, or nearly so: a fraction of the work.

    Args:
        signs: float32 [M, N].
    """
    directions = [_directions(target) for target in targets]
    known = np.stack([target.known for target in targets], axis=1).astype(np.float32)
    projected = signs @ np.concatenate([known / np.sqrt(known.sum(axis=0)), *directions], axis=1)
    ends = np.cumsum([len(targets), *(each.shape[1] for each in directions)])[:-1]
    means, *explained = np.split(np.square(projected), ends, axis=1)
    return (np.stack([each.sum(axis=1) for each in explained]) - means.T) / known.sum(axis=0)[:, None]


def _directions(target: Target) -> np.ndarray:
    """Orthonormal columns float32 [N, k], zero where the label is missing, that span the constant and the labels."""
    known = target.known
    if target.class_count:
        columns = target.labels[:, None] == np.unique(target.labels[known])
    else:
        centred = target.labels - target.labels[known].mean(dtype=np.float64)
        columns = np.stack([known, np.where(known, centred, 0)], axis=1)
    return (columns / np.sqrt(np.square(columns, dtype=np.float64).sum(axis=0))).astype(np.float32)


@dataclasses.dataclass(frozen=True, eq=False)
class _MomentsModel:
    """A linear model on the moments `factors`, standardised by `means` and `deviations`."""

    factors: np.ndarray
    means: np.ndarray
    deviations: np.ndarray
    model: LinearModel

    def predict(self, basis: np.ndarray) -> np.ndarray:
        return self.model.predict(((moments(basis, self.factors) - self.means) / self.deviations).T)


def _ranked(basis: np.ndarray, axis_count: int, targets: Sequence[Target]) -> tuple[np.ndarray, np.ndarray]:
    """All moments int [M, 3], and its association with each target, float32 [targets, M]."""
    factors, shares = [], []
    for every, associate in ((moment_factors(axis_count), associations), (sign_triples(axis_count), sign_associations)):
        for chunk in np.array_split(every, -(-len(every) // MOMENTS_AT_ONCE)) if len(every) else ():
            factors.append(chunk)
            shares.append(associate(moments(basis, chunk), targets))
    return np.concatenate(factors), np.concatenate(shares, axis=1)


class MomentsAttacker:
    """A linear model on the moments of the code that are most associated with a target.

    All moments of `moment_factors` and `sign_triples` are ranked by `associations`; the number kept is tuned.
    """

    name = "moments"
    counts = (1, 2, 4, 8, 16, 64, 256)
    strength = 1e-2

    def fit(self, train: Examples, validation: Examples) -> "MomentsAttacker":
        """Ranks moments and fits on `train`; the number of moments of each target is tuned on `validation`."""
        tail = max(TAIL, TAIL_PEOPLE / len(train))
        self._limits = np.quantile(train.inputs, [tail, 1 - tail], axis=0)
        self._scaler = StandardScaler().fit(np.clip(train.inputs, *self._limits))
        self._sorted = np.sort(train.inputs, axis=0)
        self._polynomials = orthonormal_polynomials(self._axes(train.inputs))
        train_basis, validation_basis = self._basis(train.inputs), self._basis(validation.inputs)
        names = answerable(train, validation)
        factors, shares = _ranked(train_basis, train.inputs.shape[1], [train.targets[name] for name in names])
        self._models = {}
        for name, share in zip(names, shares, strict=True):
            models = self._models_on(train_basis, factors[np.argsort(-share)[: self.counts[-1]]], train.targets[name])
            self._models[name] = best(
                {model: model.predict(validation_basis) for model in models}, validation.targets[name]
            )
        return self

    def predict(self, inputs: np.ndarray) -> dict[str, np.ndarray]:
        """By target: scores [N, classes], or values [N]."""
        basis = self._basis(inputs)
        return {name: model.predict(basis) for name, model in self._models.items()}

    def _basis(self, inputs: np.ndarray) -> np.ndarray:
        return moment_basis(self._axes(inputs), self._polynomials, ranks(inputs, self._sorted))

    def _axes(self, inputs: np.ndarray) -> np.ndarray:
        return self._scaler.transform(np.clip(inputs, *self._limits)).astype(np.float32)

    def _models_on(self, basis: np.ndarray, ranked: np.ndarray, target: Target) -> list[_MomentsModel]:
        """One model for each number of `ranked` moments kept."""
        features = moments(basis, ranked)
        means, deviations = features.mean(axis=1, keepdims=True), features.std(axis=1, keepdims=True)
        deviations = np.where(deviations > 0, deviations, 1)
        standardised = ((features - means) / deviations).T
        return [
            _MomentsModel(ranked[:count], means[:count], deviations[:count], model)
            for count in self.counts
            for model in linear_models(standardised[:, :count], target, [self.strength])
        ]
