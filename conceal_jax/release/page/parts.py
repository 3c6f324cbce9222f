"""Pieces of the page as HTML: pictures side by side, and bars. What comes in as a name or message is escaped here."""

import base64
import io
from collections.abc import Mapping
from html import escape

import numpy as np
from PIL import Image

from conceal_jax.audit.vocabulary import SOURCES, Source
from conceal_jax.release.page.readers import Readers

STYLE = """
.pair { display: flex; gap: 1.5rem; flex-wrap: wrap; }
.pair figure { margin: 0; }
.pair img { width: 16rem; height: 16rem; image-rendering: pixelated; border-radius: .4rem; }
.readings { table-layout: fixed; width: 100%; max-width: 42rem; margin: 1rem 0; border: none !important; }
.readings th, .readings td, .readings tr { text-align: left; padding: .1rem 0; border: none !important; }
.readings td { white-space: nowrap; }
.readings th { font-weight: normal !important; }
.readings th .small { display: block; }
.readings caption { text-align: left; font-weight: bold; }
.bar { display: inline-block; height: .7rem; background: #4a76b8; border-radius: .15rem; vertical-align: middle; }
.download { padding: 0 !important; }
.small { font-size: .85rem; opacity: .75; }
"""

_FIGURE_REM = 3.5
"""That a bar leaves of its cell to the figure behind it."""

Readings = Mapping[Source, Mapping[str, np.ndarray]]


def notice(text: str) -> str:
    """A sentence in place of pictures."""
    return f"<p>{escape(text)}</p>"


def shown(
    photo: np.ndarray, concealed: np.ndarray, readers: Readers | None, readings: Readings, without_readers: str
) -> str:
    """A photo and its concealed picture, uint8 [S, S, 3] each, with what attackers read of them.

    Args:
        photo, concealed: the pictures.
        readers: the attackers; None where there are none.
        readings: by source and attribute, probabilities [1, classes].
        without_readers: why there are no attackers.
    """
    data = _data(concealed)
    link = f'<a class="download" download="concealed.png" href="{data}">Download</a> (pixels alone, no metadata)'
    pair = _figure(_data(photo), "the photo, as the encoder reads it") + _figure(data, "concealed")
    bars = _bars(readers, readings) if readers else notice(f"No attackers: {without_readers}")
    return f'<div class="pair">{pair}</div><p>{link}</p>{bars}'


def _data(picture: np.ndarray) -> str:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"


def _figure(data: str, caption: str) -> str:
    return f'<figure><img alt="{caption}" src="{data}"><figcaption>{caption}</figcaption></figure>'


def _bars(readers: Readers, readings: Readings) -> str:
    tables = [_table(name, classes, readers, readings) for name, classes in readers.classes.items()]
    return (
        f'<p class="small">Predictions of quick attackers, fitted just now to {readers.people:,} labelled people; in '
        "brackets, their balanced accuracy on held-out people. The run's audit has stronger "
        "ones.</p>" + "".join(tables)
    )


def _table(name: str, classes: tuple[str, ...], readers: Readers, readings: Readings) -> str:
    heads = [
        f'<th>{words.one} <span class="small">({100 * readers.by_source[source].accuracies[name]:.0f} %)</span></th>'
        for source, words in SOURCES.items()
    ]
    rows = [
        f"<tr><td>{escape(label)}</td>{''.join(_bar(readings[source][name][0, index]) for source in SOURCES)}</tr>"
        for index, label in enumerate(classes)
    ]
    chance = f'<span class="small">(chance {100 / len(classes):.0f} %)</span>'
    caption = f"<caption>{escape(name)} {chance}</caption>"
    return f'<table class="readings">{caption}<tr><th></th>{"".join(heads)}</tr>{"".join(rows)}</table>'


def _bar(probability: float) -> str:
    width = f"calc((100% - {_FIGURE_REM}rem) * {probability:.3f})"
    return f'<td><span class="bar" style="width:{width}"></span> {100 * probability:.0f} %</td>'
