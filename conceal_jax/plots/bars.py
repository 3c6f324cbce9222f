"""Horizontal bars with intervals, in groups."""

import dataclasses
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from conceal_jax.plots.style import FAINT, INK, RED, bare, new_figure, png

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclasses.dataclass(frozen=True)
class Bar:
    """A figure from 0 to 1; what lies outside is drawn at the end of the axis.

    Attributes:
        label: in the legend, the same for all bars of a colour.
        colour: as matplotlib names colours.
        value, low, high: the figure and its interval.
    """

    label: str
    colour: str
    value: float
    low: float
    high: float


@dataclasses.dataclass(frozen=True)
class BarGroup:
    """The bars of one thing.

    Attributes:
        name: of it.
        measure: what the bars show.
        bars: at most one of each label.
        marks: by name in the legend, the style of a line across the bars, and where it stands.
    """

    name: str
    measure: str
    bars: Sequence[Bar]
    marks: Mapping[str, tuple[str, float]] = dataclasses.field(default_factory=dict)


def bar_panels(panels: Mapping[str, Sequence[BarGroup]]) -> bytes:
    """PNG of panels below each other, under their titles; each has a group of bars at least."""
    heights = [sum(24 + 20 * len(group.bars) for group in groups) for groups in panels.values()]
    figure = new_figure(900, 130 + sum(heights) + 40 * len(panels), "constrained")
    axes_of = figure.subplots(len(panels), 1, squeeze=False, height_ratios=heights)[:, 0]
    for axes, (title, groups) in zip(axes_of, panels.items(), strict=True):
        _draw_groups(axes, groups)
        axes.set_title(title, loc="left", fontsize=12, fontweight="bold", color=INK, pad=12)
    handles, labels = axes_of[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False, fontsize=10)
    return png(figure)


def _draw_groups(axes: "Axes", groups: Sequence[BarGroup]) -> None:
    labels = list(dict.fromkeys(bar.label for group in groups for bar in group.bars))
    thickness = 0.78 / len(labels)
    for index, label in enumerate(labels):
        offset = (index - (len(labels) - 1) / 2) * thickness
        bars = {place + offset: bar for place, group in enumerate(groups) for bar in group.bars if bar.label == label}
        _draw_bars(axes, bars, thickness)
    for place, group in enumerate(groups):
        for name, (style, value) in group.marks.items():
            _mark(axes, value, place, style, name if place == 0 else "")
    names = [f"{textwrap.fill(group.name, 20)}\n{group.measure}" for group in groups]
    # Names are no formulas, even where they hold two dollar signs.
    axes.set_yticks(range(len(groups)), names, fontsize=10, parse_math=False)
    axes.set_xlim(0, 1.08)
    axes.set_xticks(np.linspace(0, 1, 6))
    axes.invert_yaxis()
    axes.grid(axis="x", color=FAINT, linewidth=0.8, zorder=0)
    bare(axes)


def _draw_bars(axes: "Axes", bars: Mapping[float, Bar], thickness: float) -> None:
    """Bars of one label, by where they stand."""
    places, one = list(bars), next(iter(bars.values()))
    values, lows, highs = np.clip([(bar.value, bar.low, bar.high) for bar in bars.values()], 0, 1).T
    axes.barh(places, values, thickness * 0.92, color=one.colour, label=one.label, zorder=2)
    whiskers = np.maximum([values - lows, highs - values], 0)
    axes.errorbar(values, places, xerr=whiskers, fmt="none", ecolor=INK, elinewidth=1, capsize=2, zorder=3)
    for place, bar in bars.items():
        axes.text(1.02, place, f"{bar.value:.3f}", va="center", fontsize=8, color=INK)


def _mark(axes: "Axes", value: float, place: int, style: str, label: str) -> None:
    axes.plot([value, value], [place - 0.42, place + 0.42], style, color=RED, linewidth=1.8, label=label, zorder=4)
