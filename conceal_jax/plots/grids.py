"""Pictures in rows and columns."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from conceal_jax.plots.style import INK, new_figure, png

GAP = 4


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
    figure = new_figure(width + left, height + top)
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
    return png(figure)


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
