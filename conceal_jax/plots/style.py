"""What all pictures of figures have in common: colours, bare axes, PNG. No pyplot, and so no global state."""

import io
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 100
INK, FAINT, RED = "#1f2933", "#d5dbe1", "#b3261e"
PALETTE = ("#2f6db5", "#e08a1e", "#2c8c5a", "#8a4fbf", "#c2378f", "#4d5c6b", "#13919b")
"""Of curves; none is the red of floors."""


def bare(axes: "Axes") -> None:
    """Takes away what says nothing."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(FAINT)
    axes.tick_params(colors=INK, labelsize=9, length=0)


def new_figure(width: float, height: float, layout: Literal["constrained"] | None = None) -> "Figure":
    """A figure of so many screen pixels."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width / DPI, height / DPI), dpi=DPI, layout=layout)


def png(figure: "Figure") -> bytes:
    """The file; equal figures give equal bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()
