"""Plots: arrays in, PNG out. The only module that imports matplotlib, and only when a plot is drawn."""

import dataclasses
import io
import itertools
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 100
GAP = 4
INK, FAINT = "#1f2933", "#d5dbe1"
SOURCES = {"originals": "#9aa5b1", "codes": "#2f6db5", "pictures": "#e08a1e"}
"""What attackers read from, and its colour."""
METRICS = {
    "balanced_accuracy": "balanced accuracy",
    "auc": "AUC",
    "macro_f1": "macro F1",
    "information_nats": "information in nats",
    "r2": "R²",
    "mae": "mean absolute error",
}
"""Names of the report's metrics for people."""
CURVES = ("loss", "reconstruction", "rate", "beta", "psnr_db", "ssim")


@dataclasses.dataclass(frozen=True)
class PictureGrid:
    """Pictures in rows and columns.

    Attributes:
        pictures: uint8 [rows, columns, S, S, 3].
        row_labels, column_labels: one for each row or column, or none.
        caption: what the grid shows, a sentence for the report.
    """

    pictures: np.ndarray
    row_labels: Sequence[str] = ()
    column_labels: Sequence[str] = ()
    caption: str = ""

    def __post_init__(self) -> None:
        shape = self.pictures.shape
        if self.pictures.dtype != np.uint8 or len(shape) != 5 or shape[2] != shape[3] or shape[4] != 3:
            raise ValueError(f"got pictures {self.pictures.dtype} {list(shape)}; give uint8 [rows, columns, S, S, 3]")
        for labels, count, what in ((self.row_labels, shape[0], "rows"), (self.column_labels, shape[1], "columns")):
            if len(labels) not in (0, count):
                raise ValueError(f"got {len(labels)} labels for {count} {what}; give one for each, or none")


def picture_grid(grid: PictureGrid) -> bytes:
    """PNG of a grid of pictures, every pixel shown as an equal square of screen pixels."""
    rows, columns, size = grid.pictures.shape[:3]
    zoom = max(1, 128 // size)
    sheet = _sheet(grid.pictures.repeat(zoom, axis=2).repeat(zoom, axis=3))
    height, width = sheet.shape[:2]
    left, top = _label_room(grid, size * zoom)
    figure = _figure(width + left, height + top)
    axes = figure.add_axes((left / (width + left), 0, width / (width + left), height / (height + top)))
    axes.imshow(sheet, interpolation="none", extent=(0, width, height, 0))
    axes.set_frame_on(False)
    axes.xaxis.tick_top()
    centres = np.arange(max(rows, columns)) * (size * zoom + GAP) + size * zoom / 2
    rotation = 40 if _crowded(grid.column_labels, size * zoom) else 0
    axes.set_xticks(
        centres[: len(grid.column_labels)],
        grid.column_labels,
        rotation=rotation,
        ha="left" if rotation else "center",
        parse_math=False,
    )
    axes.set_yticks(centres[: len(grid.row_labels)], grid.row_labels, parse_math=False)
    axes.tick_params(length=0, pad=4, labelsize=9, labelcolor=INK)
    return _png(figure)


def _sheet(pictures: np.ndarray) -> np.ndarray:
    """Pictures [rows, columns, S, S, 3] on one white sheet, with gaps between them."""
    padded = np.pad(pictures, ((0, 0), (0, 0), (0, GAP), (0, GAP), (0, 0)), constant_values=255)
    rows, columns, height, width, _ = padded.shape
    sheet = padded.transpose(0, 2, 1, 3, 4).reshape(rows * height, columns * width, 3)
    return sheet[:-GAP, :-GAP]


def _label_room(grid: PictureGrid, size: int) -> tuple[int, int]:
    """Screen pixels to keep free left of and above pictures shown `size` wide."""
    left = max(map(len, grid.row_labels), default=-2) * 7 + 14
    if not grid.column_labels:
        return left, 0
    return left, 22 + (4 * max(map(len, grid.column_labels)) if _crowded(grid.column_labels, size) else 0)


def _crowded(labels: Sequence[str], size: int) -> bool:
    """Whether labels would run into each other above pictures shown `size` wide."""
    return max(map(len, labels), default=0) * 7 > size


def leakage_bars(report: Mapping[str, Any]) -> bytes:
    """PNG of what attackers read of every attribute, with 95 % intervals, beside chance and floor.

    Args:
        report: as `conceal_jax.audit.report.assemble.assemble` makes it; a source that was not read has no bars.
    """
    panels = {
        "Concealed: shorter is better, down to the floor": {**report["concealed"], **report["joint"]},
        "Kept: longer is better": report["kept"],
    }
    panels = {title: attributes for title, attributes in panels.items() if attributes}
    heights = [sum(map(_row_height, attributes.values())) for attributes in panels.values()]
    figure = _figure(900, 130 + sum(heights) + 40 * len(panels), "constrained")
    axes_of = figure.subplots(len(panels), 1, squeeze=False, height_ratios=heights)[:, 0]
    for axes, (title, attributes) in zip(axes_of, panels.items(), strict=True):
        _draw_attributes(axes, attributes)
        axes.set_title(title, loc="left", fontsize=12, fontweight="bold", color=INK, pad=12)
    handles, labels = axes_of[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False, fontsize=10)
    return _png(figure)


def _row_height(attribute: Mapping[str, Any]) -> int:
    """Screen pixels for the bars of one attribute, and for its name beside them."""
    return 24 + 20 * sum(source in attribute for source in SOURCES)


def _draw_attributes(axes: "Axes", attributes: Mapping[str, Mapping[str, Any]]) -> None:
    sources = [source for source in SOURCES if any(source in attribute for attribute in attributes.values())]
    thickness = 0.78 / len(sources)
    for source_index, source in enumerate(sources):
        places = np.arange(len(attributes)) + (source_index - (len(sources) - 1) / 2) * thickness
        read = [place for place, item in zip(places, attributes.values(), strict=True) if source in item]
        readings = [decisive(item[source]) for item in attributes.values() if source in item]
        values, lows, highs = np.clip([(value, *interval) for _, value, interval in readings], 0, 1).T
        axes.barh(read, values, thickness * 0.92, color=SOURCES[source], label=source, zorder=2)
        whiskers = np.maximum([values - lows, highs - values], 0)
        axes.errorbar(values, read, xerr=whiskers, fmt="none", ecolor=INK, elinewidth=1, capsize=2, zorder=3)
        for place, (_, value, _) in zip(read, readings, strict=True):
            axes.text(1.02, place, f"{value:.3f}", va="center", fontsize=8, color=INK)
    for place, attribute in enumerate(attributes.values()):
        if "floor" in attribute:
            _mark(axes, attribute["chance"], place, ":", "chance" if place == 0 else "")
            _mark(axes, attribute["floor"], place, "-", "floor (kept labels alone)" if place == 0 else "")
    names = [_title(name, attribute) for name, attribute in attributes.items()]
    # Names are no formulas, even where they hold two dollar signs.
    axes.set_yticks(range(len(attributes)), names, fontsize=10, parse_math=False)
    axes.set_xlim(0, 1.08)
    axes.set_xticks(np.linspace(0, 1, 6))
    axes.invert_yaxis()
    axes.grid(axis="x", color=FAINT, linewidth=0.8, zorder=0)
    _plain(axes)


def _title(name: str, attribute: Mapping[str, Any]) -> str:
    metric = next(decisive(attribute[source])[0] for source in SOURCES if source in attribute)
    return f"{textwrap.fill(name, 20)}\n{METRICS[metric]}"


def _mark(axes: "Axes", value: float, place: int, style: str, label: str) -> None:
    axes.plot(
        [value, value], [place - 0.42, place + 0.42], style, color="#b3261e", linewidth=1.8, label=label, zorder=4
    )


def decisive(reading: Mapping[str, Any]) -> tuple[str, float, tuple[float, float]]:
    """The name of a report's reading's decisive metric, its value and its interval."""
    metric = "balanced_accuracy" if "balanced_accuracy" in reading else "r2"
    low, high = reading["ci95"]
    return metric, reading[metric], (low, high)


def training_curves(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """PNG of the rows of a `metrics.jsonl`: one panel a quantity, training and validation in each."""
    names = [name for name in CURVES if any(row.get(f"{part}/{name}") is not None for row in rows for part in PARTS)]
    if not names:
        raise ValueError(f"got {len(rows)} rows with none of {', '.join(CURVES)}; give the rows of a metrics.jsonl")
    columns = min(3, len(names))
    lines = -(-len(names) // columns)
    figure = _figure(340 * columns, 260 * lines, "constrained")
    panels = figure.subplots(lines, columns, squeeze=False).flat
    for axes, name in zip(panels, names, strict=False):
        for part, colour in PARTS.items():
            key = f"{part}/{name}"
            points = [(row["step"], row[key]) for row in rows if row.get(key) is not None]
            if points:
                marker = "o" if len(points) < 30 and part == "validation" else ""
                axes.plot(*zip(*points, strict=True), color=colour, marker=marker, markersize=4, label=part)
        axes.set_title(name, loc="left", fontsize=11, color=INK)
        axes.set_xlabel("step", fontsize=9)
        axes.grid(color=FAINT, linewidth=0.8)
        axes.legend(frameon=False, fontsize=8)
        _plain(axes)
    for axes in list(figure.axes)[len(names) :]:
        axes.remove()
    return _png(figure)


PARTS = {"train": SOURCES["codes"], "validation": SOURCES["pictures"]}


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
    figure = _figure(360 * columns, 300 * rows, "constrained")
    places = list(figure.subplots(rows, columns, squeeze=False).flat)
    labels = dict.fromkeys(curve.label for panel in panels for curve in panel.curves)
    colours = dict(zip(labels, itertools.cycle(PALETTE), strict=False))
    for axes, panel in zip(places, panels, strict=False):
        _draw_panel(axes, panel, colours)
    for axes in places[len(panels) :]:
        axes.remove()
    # One for all panels, below them: within, it would hide points.
    told = {
        label: handle for axes in figure.axes for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(told.values(), told.keys(), loc="outside lower center", ncols=8, frameon=False, fontsize=8)
    return _png(figure)


# None is the red of floors.
PALETTE = ("#2f6db5", "#e08a1e", "#2c8c5a", "#8a4fbf", "#c2378f", "#4d5c6b", "#13919b")


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
        axes.axhline(height, linestyle=style, color="#b3261e", linewidth=1.2, label=name)
    if panel.log_x and min(curve.x[:, 0].min() for curve in panel.curves) > 0:
        axes.set_xscale("log")
    axes.set_title(panel.title, loc="left", fontsize=11, color=INK, parse_math=False)
    axes.set_xlabel(panel.across, fontsize=9)
    axes.grid(color=FAINT, linewidth=0.8)
    _plain(axes)


def _plain(axes: "Axes") -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(FAINT)
    axes.tick_params(colors=INK, labelsize=9, length=0)


def _figure(width: float, height: float, layout: Literal["constrained"] | None = None) -> "Figure":
    """A figure of so many screen pixels, outside pyplot's global state."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width / DPI, height / DPI), dpi=DPI, layout=layout)


def _png(figure: "Figure") -> bytes:
    buffer = io.BytesIO()
    # No software version in the file: equal figures give equal bytes.
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()
