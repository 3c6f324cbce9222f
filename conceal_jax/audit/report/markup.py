"""Pieces of the page: figures, tables and pictures as HTML. What comes in as a figure or name is escaped here."""

import base64
from collections.abc import Collection, Mapping, Sequence
from html import escape
from typing import Any

from conceal_jax.plots import METRICS, decisive

Item = Mapping[str, Any]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of cells that are HTML already."""

    def line(cells: Sequence[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{cell}</{tag}>" for cell in cells) + "</tr>"

    # Wide tables scroll by themselves: the page never does sideways.
    body = f"<thead>{line(head, 'th')}</thead><tbody>{''.join(line(row, 'td') for row in rows)}</tbody>"
    return f'<div class="wide"><table>{body}</table></div>'


def bullets(items: Sequence[str]) -> str:
    """A list of items that are HTML already."""
    return f"<ul>{''.join(f'<li>{item}</li>' for item in items)}</ul>"


def figure(image: bytes, caption: str) -> str:
    """A PNG inside the page, with its caption."""
    data, text = base64.b64encode(image).decode("ascii"), escape(caption)
    return f'<figure><img alt="{text}" src="data:image/png;base64,{data}"><figcaption>{text}</figcaption></figure>'


def readings(item: Item, sources: Sequence[str]) -> list[str]:
    """The decisive figure of each source; a dash where it was not read."""
    return [cell(*decisive(item[source])[1:]) if source in item else number(None) for source in sources]


def cell(value: float | None, interval: Sequence[float | None]) -> str:
    """A figure and its interval."""
    low, high = map(number, interval)
    return f"{number(value)} <small>[{low}, {high}]</small>"


def number(value: float | None) -> str:
    """A figure; a dash where there is none."""
    return "–" if value is None else f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"


def percent(share: float) -> str:
    """A share as a percentage."""
    return f"{100 * share:.1f}\N{NO-BREAK SPACE}%"


def listing(names: Collection[str]) -> str:
    """Names as a part of a sentence: "a, b and c"."""
    *most, last = map(escape, names)
    return f"{', '.join(most)} and {last}" if most else last


def other_metrics(one: Item, unit: str = "") -> str:
    """Every metric of a reading or an attacker but the decisive one."""
    names = [metric for metric in METRICS if metric in one and metric != decisive(one)[0]]
    texts = [f"{METRICS[name]} {number(one[name])}{f' {unit}' if name == 'mae' else ''}".strip() for name in names]
    return f'<div class="also">{escape(", ".join(texts))}</div>'
