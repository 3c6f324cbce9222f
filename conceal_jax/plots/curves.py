"""Curves of figures with intervals against each other."""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from conceal_jax.plots.style import FAINT, INK, PALETTE, RED, bare, new_figure, png

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclasses.dataclass(frozen=True)
class Curve:
    """Points with intervals.

    Attributes:
        label: in the legend.
        x, y: float [points, 3]: value, lower and upper limit.
        joined: by a line.
        pale: of less interest than the others.
    """

    label: str
    x: np.ndarray
    y: np.ndarray
    joined: bool = True
    pale: bool = False


@dataclasses.dataclass(frozen=True)
class Panel:
    """Curves of one quantity.

    Attributes:
        title: what runs upwards.
        across: what runs across.
        curves: at least one.
        lines: by name, a line style and the height of a line across.
        log_x: across on a logarithmic scale.
    """

    title: str
    across: str
    curves: Sequence[Curve]
    lines: Mapping[str, tuple[str, float]] = dataclasses.field(default_factory=dict)
    log_x: bool = False


def curve_panels(panels: Sequence[Panel]) -> bytes:
    """PNG of panels, three in a row."""
    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    figure = new_figure(360 * columns, 300 * rows, "constrained")
    places = list(figure.subplots(rows, columns, squeeze=False).flat)
    labels = dict.fromkeys(curve.label for panel in panels for curve in panel.curves)
    colours = dict(zip(labels, itertools.cycle(PALETTE), strict=False))
    for axes, panel in zip(places, panels, strict=False):
        _draw_panel(axes, panel, colours)
    for axes in places[len(panels) :]:
        axes.remove()
    # One for all panels, below them: within, it would hide points.
    shown = {
        label: handle for axes in figure.axes for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(shown.values(), shown.keys(), loc="outside lower center", ncols=8, frameon=False, fontsize=8)
    return png(figure)


def _draw_panel(axes: "Axes", panel: Panel, colours: Mapping[str, str]) -> None:
    for curve in panel.curves:
        (x, *_), (y, low, high) = curve.x.T, curve.y.T
        axes.errorbar(
            x,
            y,
            yerr=np.maximum([y - low, high - y], 0),
            fmt="o-" if curve.joined else "o",
            color=colours[curve.label],
            alpha=0.35 if curve.pale else 1.0,
            markersize=4,
            linewidth=1.4,
            capsize=2,
            label=curve.label,
        )
    for name, (style, height) in panel.lines.items():
        axes.axhline(height, linestyle=style, color=RED, linewidth=1.2, label=name)
    if panel.log_x and min(curve.x[:, 0].min() for curve in panel.curves) > 0:
        axes.set_xscale("log")
    axes.set_title(panel.title, loc="left", fontsize=11, color=INK, parse_math=False)
    axes.set_xlabel(panel.across, fontsize=9)
    axes.grid(color=FAINT, linewidth=0.8)
    bare(axes)
