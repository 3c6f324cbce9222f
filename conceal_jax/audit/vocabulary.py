"""The sources, metrics and verdicts of an audit, and how each is called and written wherever a report is shown."""

import dataclasses
import math
from collections.abc import Collection
from typing import Literal

Source = Literal["originals", "codes", "pictures"]
Concealment = Literal["hidden", "undecided", "weakened", "readable"]

MISSING = "–"


@dataclasses.dataclass(frozen=True)
class SourceWords:
    """What attackers read.

    Attributes:
        one, many: its name.
        colour: of its bars.
        released: recipients get it.
    """

    one: str
    many: str
    colour: str
    released: bool


@dataclasses.dataclass(frozen=True)
class Metric:
    """A figure of merit of attackers, or of pictures.

    Attributes:
        label: its name, with its unit where that is always the same.
        higher_is_better: the attacker reads better, or the picture is better, the higher it is.
        in_unit: it has the unit of the attribute.
    """

    label: str
    higher_is_better: bool = True
    in_unit: bool = False

    def text(self, value: float, unit: str = "") -> str:
        """The figure with its name: "AUC 0.912"."""
        direction = "" if self.higher_is_better else " (lower is better)"
        return f"{self.label} {number(value)}{f' {unit}' if self.in_unit else ''}".rstrip() + direction


SOURCES: dict[Source, SourceWords] = {
    "originals": SourceWords("photo", "original photos", "#9aa5b1", released=False),
    "codes": SourceWords("code", "codes", "#2f6db5", released=True),
    "pictures": SourceWords("concealed picture", "concealed pictures", "#e08a1e", released=True),
}
METRICS = {
    "balanced_accuracy": Metric("balanced accuracy"),
    "auc": Metric("AUC"),
    "macro_f1": Metric("macro F1"),
    "information_nats": Metric("information in nats"),
    "r2": Metric("R²"),
    "mae": Metric("mean absolute error", higher_is_better=False, in_unit=True),
    "psnr_db": Metric("PSNR in dB"),
    "ssim": Metric("SSIM"),
}
VERDICTS: dict[Concealment, str] = {
    "hidden": "Hidden from every attacker tried",
    "undecided": "Undecided",
    "weakened": "Weakened, not hidden",
    "readable": "Not hidden",
}


def number(value: float | None) -> str:
    """Three decimals, or one from 10 on; a dash where there is no figure."""
    if value is None or math.isnan(value):
        return MISSING
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"


def percent(share: float) -> str:
    """A share as a percentage."""
    return f"{100 * share:.1f}\N{NO-BREAK SPACE}%"


def listing(names: Collection[str]) -> str:
    """Names as a part of a sentence: "a, b and c"."""
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last
