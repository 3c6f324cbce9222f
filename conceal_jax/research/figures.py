"""The figures of a sweep: one row for each, of which every table and every curve is made."""

import csv
import dataclasses
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from conceal_jax.audit.statistics import Estimate, mean


@dataclasses.dataclass(frozen=True)
class Row:
    """One figure of one member.

    Attributes:
        quantity: what it is, with its unit where it has one (docs/research.md lists them).
        value, low, high: the figure and its 95 % interval over people; equal where it has none.
        attribute: that it is about, if it is about one.
        suite: of the attackers, "quick" or "full", if any took part.
    """

    quantity: str
    value: float
    low: float
    high: float
    attribute: str = ""
    suite: str = ""


def row(quantity: str, figure: Estimate | float, attribute: str = "", suite: str = "") -> Row:
    """A row of a figure with or without an interval."""
    if isinstance(figure, Estimate):
        return Row(quantity, figure.value, *figure.ci95, attribute, suite)
    return Row(quantity, float(figure), float(figure), float(figure), attribute, suite)


@dataclasses.dataclass(frozen=True)
class Result:
    """What came of one member.

    Attributes:
        setting: its number among the sweep's settings; members that differ by seed alone share it.
        seed: of everything random in it.
        settings: its hyper-parameters by the dotted name of the field, for tables.
        failure: why it has no figures; empty where it has.
        rows: its figures.
    """

    setting: int
    seed: int
    settings: Mapping[str, Any]
    failure: str
    rows: tuple[Row, ...]

    @property
    def name(self) -> str:
        """Of its files."""
        return member_name(self.setting, self.seed)

    def values(self, quantity: str, attribute: str = "", suite: str = "") -> list[Row]:
        """The figures of that description: one, or none."""
        asked = (quantity, attribute, suite)
        return [each for each in self.rows if (each.quantity, each.attribute, each.suite) == asked]


def member_name(setting: int, seed: int) -> str:
    """How a member's files are called."""
    return f"{setting:03d}-seed{seed}"


def tidy_csv(results: Sequence[Result]) -> str:
    """Every figure of every member, a line each; a failed member is a line with its reason."""
    fields = list(dict.fromkeys(name for result in results for name in result.settings))
    figure = [field.name for field in dataclasses.fields(Row)]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["member", "setting", "seed", *fields, *figure, "failure"])
    for result in results:
        head = [result.name, result.setting, result.seed, *(result.settings.get(name, "") for name in fields)]
        if result.failure:
            writer.writerow([*head, *[""] * len(figure), result.failure])
        writer.writerows([*head, *dataclasses.astuple(each), ""] for each in result.rows)
    return text.getvalue()


def over_seeds(rows: Iterable[Row]) -> Estimate:
    """The mean of one figure over the seeds of a setting, with Student's interval; of one seed, its own interval."""
    given = list(rows)
    if len(given) == 1:
        return Estimate(given[0].value, (given[0].low, given[0].high))
    return mean(np.array([each.value for each in given]))


def pareto_front(costs: np.ndarray) -> np.ndarray:
    """Which points no other point beats.

    Args:
        costs: float [points, costs]; less is better.

    Returns:
        bool [points]: False where another point costs no more in anything and less in something.
    """
    no_more = np.all(costs[None] <= costs[:, None], axis=-1)
    less = np.any(costs[None] < costs[:, None], axis=-1)
    return np.logical_not(np.any(no_more & less, axis=1))
