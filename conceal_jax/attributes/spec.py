"""Specifications of single attributes: how labels are written, encoded, left neutral and grouped for audits."""

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

LabelArray = Array | np.ndarray

MISSING_CLASS = -1
AGE_GROUPS = (0.0, 3.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0)


@dataclasses.dataclass(frozen=True)
class Categorical:
    """An attribute with named classes, encoded one-hot.

    Attributes:
        name: what it is called in label dicts, reports and `gender=female` requests.
        classes: class names; the label is an index into them.
        column: the column of a label file that holds it; the name when empty.
        threshold: for two classes given as a score, the score from which the second class holds; None when the file
            holds class names.
        optional: the source may lack the column; the attribute is then left out (kept attributes only).
        neutral: the constant class weights, summing to 1, used where nothing is requested; empty (uniform) until known.
    """

    name: str
    classes: tuple[str, ...]
    column: str = ""
    threshold: float | None = None
    optional: bool = False
    neutral: tuple[float, ...] = ()

    dtype: ClassVar[type] = np.int32
    missing: ClassVar[float] = MISSING_CLASS

    def __post_init__(self) -> None:
        _require_identifier(self.name)
        if len(self.classes) < 2 or len(set(self.classes)) != len(self.classes):
            raise ValueError(f"attribute {self.name!r}: got classes {self.classes}; give at least two, all different")
        if self.threshold is not None and len(self.classes) != 2:
            raise ValueError(
                f"attribute {self.name!r}: a threshold needs exactly two classes, got {len(self.classes)}; "
                "remove the threshold or name two classes"
            )
        _require_weights(self.name, self.neutral, len(self.classes))

    @property
    def width(self) -> int:
        """Length of its part of the label vector."""
        return len(self.classes)

    @property
    def group_names(self) -> tuple[str, ...]:
        """Names of the classes that an audit distinguishes."""
        return self.classes

    def groups(self, values: np.ndarray) -> np.ndarray:
        """The audit's class of each label: int32 [N], `MISSING_CLASS` where unknown."""
        return np.asarray(values, np.int32)

    def is_missing(self, values: np.ndarray) -> np.ndarray:
        """bool [N]: which labels are unknown."""
        return np.asarray(values) == MISSING_CLASS

    def encode(self, values: LabelArray) -> Float[Array, "batch width"]:
        """One-hot vectors of int32 labels [B]; the neutral vector where the label is missing."""
        missing = (values == MISSING_CLASS)[:, None]
        return jnp.where(missing, self.neutral_vector(), jax.nn.one_hot(values, self.width))

    def neutral_vector(self) -> np.ndarray:
        """float32 [width]: the constant part of a label vector that does not depend on the photo."""
        return np.asarray(self.neutral or [1.0 / self.width] * self.width, np.float32)

    def parse(self, text: str) -> int:
        """The label of a class name, whatever its case.

        Raises:
            ValueError: no class has this name.
        """
        folded = [name.casefold() for name in self.classes]
        if text.strip().casefold() not in folded:
            raise ValueError(f"{self.name}: unknown class {text!r}; it is one of {', '.join(self.classes)}")
        return folded.index(text.strip().casefold())


@dataclasses.dataclass(frozen=True)
class Continuous:
    """An attribute with a value in a range, encoded by linear interpolation between knots.

    A value between two knots puts weights on these two alone, summing to 1 (a linear B-spline basis). Hence a knot is
    one-hot, the encoding is continuous in the value, and `encoding @ knots` recovers the value exactly: a value that
    training lacks lies between values that it has.

    Attributes:
        name: as for `Categorical`.
        low, high: the range of allowed values, both included.
        unit: of the value, for reports ("years").
        knots: increasing, from `low` to `high`; eleven evenly spaced ones when empty.
        edges: lower edges of the groups that audits distinguish; quarters of the range when empty.
        examples: values that reports draw pictures of; six evenly spaced ones when empty.
        column, optional: as for `Categorical`.
        neutral: constant knot weights, as for `Categorical`.
    """

    name: str
    low: float
    high: float
    unit: str = ""
    knots: tuple[float, ...] = ()
    edges: tuple[float, ...] = ()
    examples: tuple[float, ...] = ()
    column: str = ""
    optional: bool = False
    neutral: tuple[float, ...] = ()

    dtype: ClassVar[type] = np.float32
    missing: ClassVar[float] = float("nan")

    def __post_init__(self) -> None:
        _require_identifier(self.name)
        if not self.low < self.high:
            raise ValueError(
                f"attribute {self.name!r}: got the range {self.low} to {self.high}; low must be below high"
            )
        # Frozen dataclasses fill in derived defaults through object.__setattr__.
        object.__setattr__(self, "knots", self.knots or tuple(np.linspace(self.low, self.high, 11).tolist()))
        object.__setattr__(self, "edges", self.edges or tuple(np.linspace(self.low, self.high, 5)[:-1].tolist()))
        middles = np.linspace(self.low, self.high, 13)[1::2]
        object.__setattr__(self, "examples", self.examples or tuple(middles.tolist()))
        if np.any(np.diff(self.knots) <= 0) or (self.knots[0], self.knots[-1]) != (self.low, self.high):
            raise ValueError(
                f"attribute {self.name!r}: got knots {self.knots}; they must increase from {self.low} to {self.high}"
            )
        if np.any(np.diff(self.edges) <= 0) or self.edges[0] != self.low or self.edges[-1] >= self.high:
            raise ValueError(
                f"attribute {self.name!r}: got group edges {self.edges}; they must increase from {self.low} "
                f"and stay below {self.high}"
            )
        _require_weights(self.name, self.neutral, len(self.knots))

    @property
    def width(self) -> int:
        """Length of its part of the label vector."""
        return len(self.knots)

    @property
    def group_names(self) -> tuple[str, ...]:
        """Names of the groups that an audit distinguishes: "0-2", "3-9", ..., "70+" for whole-numbered edges."""
        whole = all(float(edge).is_integer() for edge in self.edges)
        uppers = [edge - 1 if whole else edge for edge in self.edges[1:]]
        ranges = [f"{low:g}-{high:g}" for low, high in zip(self.edges, uppers, strict=False)]
        return (*ranges, f"{self.edges[-1]:g}+")

    def groups(self, values: np.ndarray) -> np.ndarray:
        """The audit's group of each value: int32 [N], `MISSING_CLASS` where unknown."""
        # An edge that is no float32 may lie above the float32 label that stands for it.
        groups = np.searchsorted(np.asarray(self.edges, np.float32), np.asarray(values, np.float32), side="right") - 1
        return np.where(self.is_missing(values), MISSING_CLASS, groups).astype(np.int32)

    def is_missing(self, values: np.ndarray) -> np.ndarray:
        """bool [N]: which labels are unknown."""
        return np.isnan(values)

    def encode(self, values: LabelArray) -> Float[Array, "batch width"]:
        """Knot weights of float32 values [B]; the neutral vector where the value is missing (NaN)."""
        knots = np.asarray(self.knots, np.float32)
        # How much of the way from each knot to the next lies below the value: 1 before it, 0 after it.
        passed = jnp.clip((jnp.asarray(values)[:, None] - knots[:-1]) / np.diff(knots), 0.0, 1.0)
        weights = jnp.pad(passed, ((0, 0), (1, 0)), constant_values=1.0) - jnp.pad(passed, ((0, 0), (0, 1)))
        return jnp.where(jnp.isnan(values)[:, None], self.neutral_vector(), weights)

    def neutral_vector(self) -> np.ndarray:
        """float32 [width]: the constant part of a label vector that does not depend on the photo."""
        return np.asarray(self.neutral or [1.0 / self.width] * self.width, np.float32)

    def parse(self, text: str) -> float:
        """The value written in `text`.

        Raises:
            ValueError: it is not a number, or lies outside the range.
        """
        try:
            value = float(text)
        except ValueError:
            raise ValueError(
                f"{self.name}: got {text!r}; give a number from {self.low:g} to {self.high:g} {self.unit}".rstrip()
            ) from None
        if not self.low <= value <= self.high:
            raise ValueError(
                f"{self.name}: got {text.strip()}; it must lie from {self.low:g} to {self.high:g} {self.unit}".rstrip()
            )
        return value


Attribute = Categorical | Continuous


def _require_identifier(name: str) -> None:
    if not name.isidentifier():
        raise ValueError(f"got the attribute name {name!r}; use letters, digits and underscores")


def _require_weights(name: str, neutral: tuple[float, ...], width: int) -> None:
    if neutral and (len(neutral) != width or min(neutral) < 0 or abs(sum(neutral) - 1) > 1e-4):
        raise ValueError(
            f"attribute {name!r}: got neutral weights {neutral}; give {width} that are not negative and sum to 1"
        )
