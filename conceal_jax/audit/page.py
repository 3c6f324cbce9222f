"""The report as one self-contained web page that a privacy officer can read."""

import base64
from collections.abc import Mapping, Sequence
from html import escape
from string import Template
from typing import Any

from conceal_jax.plots import METRICS, SOURCES, decisive

Report = Mapping[str, Any]

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1f2933; background: #f4f6f8; margin: 0 }
main { max-width: 60rem; margin: 0 auto; padding: 2rem 1.5rem 4rem; background: #fff }
h1 { font-size: 1.7rem; margin: 0 0 .3rem } h2 { font-size: 1.2rem; margin: 2.4rem 0 .6rem }
p, li { max-width: 46rem } .quiet { color: #616e7c } .lead { font-size: 1.08rem }
table { border-collapse: collapse; width: 100%; margin: .6rem 0; font-variant-numeric: tabular-nums }
th, td { padding: .35rem .6rem; text-align: right; border-bottom: 1px solid #e4e7eb; white-space: nowrap }
th:first-child, td:first-child { text-align: left } th { font-weight: 600 } td small { color: #616e7c }
figure { margin: 1rem 0; overflow-x: auto } figcaption { color: #616e7c; font-size: .92rem; margin-top: .3rem }
img { max-width: 100%; height: auto } details { margin: .6rem 0 } summary { cursor: pointer; color: #2f6db5 }
"""

PAGE = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>What is concealed, and how well</title>
<style>$style</style>
</head>
<body>
<main>
<h1>What is concealed, and how well</h1>
<p class="quiet">$provenance</p>
<p class="lead">$lead</p>
<h2>How well each attribute is hidden</h2>
<ul>$verdicts</ul>
$leakage
$concealed
<p class="quiet">Balanced accuracy: the share of right answers, every class counting the same. <em>Chance</em> is
guessing blindly. The <em>floor</em> is what the kept attributes alone already tell; hiding cannot go below it while
they are kept. In brackets: 95 % confidence intervals.</p>
<h2>What is kept</h2>
$kept
<p class="quiet">$quality</p>
<h2>Asking for an attribute</h2>
<p>Pictures were decoded with labels asked for at random, and read by a classifier that learned from original photos
only. It agrees with what was asked for as follows.</p>
$asked_for
$grids
<h2>From whom</h2>
<p>From anyone who receives a code or a concealed picture, knows this method, and trains a reader of their own on
labelled people: here on $train people, judged on $test others. Three kinds of readers were trained from scratch: linear
models and neural networks on codes, and a convolutional network on pictures. The best is reported.</p>
<h2>What is not promised</h2>
<ul>
<li>These are measurements, not a bound: another reader, or more people to learn from, may read more.</li>
<li>A picture holds nothing that its code does not hold. Where the picture is read better than the code, take the
picture's figure for both.</li>
<li>They hold for one sampled code of each photo. Several codes of one photo, or its noiseless mean, tell more.</li>
<li>Who the person is, is not concealed. Attributes that are not listed here were not measured.</li>
<li>They hold for people like those of this collection, on average; for a small group the interval says how little is
known.</li>
</ul>
<h2>Every attacker</h2>
$attackers
</main>
</body>
</html>
""")


def render_page(report: Report, images: Mapping[str, bytes], captions: Mapping[str, str]) -> str:
    """The text of report.html.

    Args:
        report: as `conceal_jax.audit.report.assemble` makes it.
        images: PNG files by name; "leakage" and the picture grids.
        captions: of the picture grids, by name.
    """
    people = report.get("people", {})
    return PAGE.substitute(
        style=STYLE,
        provenance=_provenance(report),
        lead=_lead(report),
        verdicts="".join(f"<li>{_verdict(name, item)}</li>" for name, item in report["concealed"].items()),
        leakage=_figure(images["leakage"], "What is read from originals, codes and concealed pictures."),
        concealed=_concealed_table(report["concealed"]),
        kept=_kept_table(report["kept"]),
        quality=_quality(report),
        asked_for=_asked_for_table(report),
        grids="".join(_figure(images[name], caption) for name, caption in captions.items()),
        train=f"{people.get('train', 0):,}",
        test=f"{people.get('test', 0):,}",
        attackers=_attackers_table(report),
    )


def _provenance(report: Report) -> str:
    details = [f"conceal_jax {report['version']}"]
    details += [f"{key} {report[key]}" for key in ("step", "seed") if key in report]
    if "seconds" in report:
        details.append(f"measured in {report['seconds']:.0f} seconds")
    return escape(" · ".join(details))


def _lead(report: Report) -> str:
    hidden = f"What is to be hidden is <strong>{_listing(report['concealed'])}</strong>"
    kept = f", and what is to stay readable is <strong>{_listing(report['kept'])}</strong>" if report["kept"] else ""
    return f"Photos became codes, and codes became pictures. {hidden}{kept}."


def _listing(names: Mapping[str, Any]) -> str:
    *most, last = map(escape, names)
    return f"{', '.join(most)} and {last}" if most else last


def _verdict(name: str, item: Mapping[str, Any]) -> str:
    original = decisive(item["originals"])[1]
    source, (_, value, (low, high)) = max(
        ((source, decisive(item[source])) for source in ("codes", "pictures")), key=lambda reading: reading[1][1]
    )
    text = (
        f"<strong>{escape(name)}</strong>: the best reader is right {_percent(original)} of the time on originals, and "
        f"{_percent(value)} on the {source} (between {_percent(low)} and {_percent(high)}). "
        f"Guessing gives {_percent(item['chance'])}"
    )
    if item["floor"] > item["chance"]:
        text += f"; the kept attributes alone give {_percent(item['floor'])}"
    return text + "."


def _percent(share: float) -> str:
    return f"{100 * share:.1f}\N{NO-BREAK SPACE}%"


def _quality(report: Report) -> str:
    psnr, ssim = (_value(report["distortion"].get(name)) for name in ("psnr_db", "ssim"))
    return (
        f"Reconstructions under a person's own labels: PSNR {psnr} dB, SSIM {ssim}. "
        f"A code holds {_value(report['rate_nats'])} nats on average."
    )


def _concealed_table(concealed: Mapping[str, Any]) -> str:
    rows = [
        [escape(name), _value(item["chance"]), _cell(item["floor"], item["floor_ci95"]), *_readings(item)]
        for name, item in concealed.items()
    ]
    return _table(["", "chance", "floor", *SOURCES], rows)


def _kept_table(kept: Mapping[str, Any]) -> str:
    if not kept:
        return "<p>No attribute was declared as kept.</p>"
    rows = [[escape(name), METRICS[decisive(item["codes"])[0]], *_readings(item)] for name, item in kept.items()]
    return _table(["", "metric", *SOURCES], rows)


def _readings(item: Mapping[str, Any]) -> list[str]:
    return [_cell(*decisive(item[source])[1:]) for source in SOURCES]


def _asked_for_table(report: Report) -> str:
    rows = [
        [
            escape(name),
            _cell(*decisive(item)[1:]),
            _optional(item, "r2"),
            _optional(item, "mae", report["concealed"][name].get("unit", "")),
        ]
        for name, item in report["asked_for"].items()
    ]
    return _table(["", "balanced accuracy", METRICS["r2"], METRICS["mae"]], rows)


def _optional(item: Mapping[str, Any], metric: str, unit: str = "") -> str:
    return f"{_cell(item[metric], item[f'{metric}_ci95'])} {escape(unit)}" if metric in item else ""


def _attackers_table(report: Report) -> str:
    rows = [
        [escape(name), source, escape(one["attacker"]), _cell(*decisive(one)[1:]), _others(one)]
        for part in ("concealed", "kept")
        for name, item in report[part].items()
        for source in SOURCES
        for one in item[source]["attackers"]
    ]
    table = _table(["", "reads", "attacker", "balanced accuracy, or R²", "also"], rows)
    return f"<details><summary>Show the figures of each attacker</summary>{table}</details>"


def _others(one: Mapping[str, Any]) -> str:
    extra = [metric for metric in METRICS if metric in one and metric != decisive(one)[0]]
    return ", ".join(f"{METRICS[metric]} {_value(one[metric])}" for metric in extra)


def _cell(value: float, interval: Sequence[float]) -> str:
    return f"{_value(value)} <small>[{_value(interval[0])}, {_value(interval[1])}]</small>"


def _value(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"


def _table(head: list[str], rows: list[list[str]]) -> str:
    def line(cells: list[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{cell}</{tag}>" for cell in cells) + "</tr>"

    return f"<table>{line(head, 'th')}{''.join(line(row, 'td') for row in rows)}</table>"


def _figure(image: bytes, caption: str) -> str:
    data = base64.b64encode(image).decode("ascii")
    text = escape(caption)
    return f'<figure><img alt="{text}" src="data:image/png;base64,{data}"><figcaption>{text}</figcaption></figure>'
