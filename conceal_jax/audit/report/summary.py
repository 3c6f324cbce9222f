"""The report on one screen of a terminal."""

import math
import textwrap
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

from conceal_jax.plots import METRICS, SOURCES, decisive

Report = Mapping[str, Any]

WIDTH = 100
MOST_CONCEALED, MOST_KEPT = 10, 6
"""Attributes shown; the page has them all."""
COLUMNS = ("chance", "floor", *SOURCES, "excess", "asked for")
FOOTER = "Balanced accuracy, or R², of the best of several fresh attackers on people not seen in training."


def summary(report: Report) -> str:
    """The decisive figures as plain text: at most 40 lines of 100 columns."""
    parts = [[_origin(report)], _concealed_lines(report), _kept_lines(report["kept"])]
    facts = {
        "repeats": _repeats(report["repeats"]),
        "identity": _identity(report["identity"]),
        "undeclared": _undeclared(report["undeclared"]),
        "controls": _controls(report["controls"]),
        "certificates": _certificates(report["certificates"]),
        "warnings": _warnings(report["warnings"]),
    }
    parts += [[_fact(name, words) for name, words in facts.items() if words], [FOOTER]]
    return "\n\n".join("\n".join(lines) for lines in parts if lines)


def _origin(report: Report) -> str:
    people = report.get("people", {})
    parts = [f"{name} people {count:,}" for name, count in people.items()]
    parts += [f"{name} {_number(value)}" for name, value in report.get("distortion", {}).items()]
    parts += [f"rate_nats {_number(report['rate_nats'])}"] if "rate_nats" in report else []
    return ", ".join(parts)


def _concealed_lines(report: Report) -> list[str]:
    shown = dict(islice(report["concealed"].items(), MOST_CONCEALED))
    lines = [_row("concealed", COLUMNS, "verdict"), *(_concealed_line(report, *each) for each in shown.items())]
    lines += _more(len(report["concealed"]) - len(shown))
    return lines + [_concealed_line(report, "jointly", item) for item in report["joint"].values()]


def _concealed_line(report: Report, name: str, item: Mapping[str, Any]) -> str:
    agreement = report["asked_for"].get(name)
    cells = [item["chance"], item["floor"], *_figures(item), item["excess"]["value"]]
    return _row(name, map(_number, [*cells, decisive(agreement)[1] if agreement else None]), item["verdict"])


def _kept_lines(kept: Mapping[str, Any]) -> list[str]:
    lines = [_row("kept", ["", "", *SOURCES])] if kept else []
    for name, item in islice(kept.items(), MOST_KEPT):
        metric = next(decisive(item[source])[0] for source in SOURCES if source in item)
        lines.append(_row(name, ["", "", *map(_number, _figures(item))], METRICS[metric]))
    return lines + _more(len(kept) - MOST_KEPT)


def _figures(item: Mapping[str, Any]) -> list[float | None]:
    return [decisive(item[source])[1] if source in item else None for source in SOURCES]


def _more(count: int) -> list[str]:
    return [f"and {count} more in the whole report"] if count > 0 else []


def _repeats(repeats: Mapping[str, Any]) -> str:
    if not repeats:
        return ""
    (few, once), *_, (many, most) = repeats.items()
    reads = [f"{name} {_number(decisive(once[name])[1])}->{_number(decisive(most[name])[1])}" for name in once]
    return f"{few} code -> {many} code: {', '.join(reads)}"


def _identity(identity: Mapping[str, Any]) -> str:
    if not identity:
        return ""
    found = [f"{source} {_number(item['rate']['value'])}" for source, item in identity.items()]
    people = next(iter(identity.values()))["people"]
    return f"found among {people:,} people: {', '.join(found)} (chance {_number(1 / people)})"


def _undeclared(undeclared: Mapping[str, Any]) -> str:
    if not undeclared:
        return ""
    exposed = [name for name, item in undeclared.items() if item["exposed"]]
    return f"{len(exposed)} of {len(undeclared)} watched are exposed" + (f": {', '.join(exposed)}" if exposed else "")


def _controls(controls: Mapping[str, Any]) -> str:
    failed = [f"{name} on {source}" for source, item in controls.items() for name in item if not item[name]["passed"]]
    if failed:
        return f"FAILED: {', '.join(failed)}; read the report before you trust a figure"
    return f"planted and shuffled labels passed on {', '.join(controls)}" if controls else ""


def _certificates(certificates: Mapping[str, Any]) -> str:
    issued = [
        # Upwards: a bound must not fall.
        f"{one['attribute']} <= {math.ceil(one['bound'] * 1000) / 1000:.3f}"
        for one in certificates["issued"]
    ]
    refused = ", ".join(one["attribute"] for one in certificates["refused"])
    parts = [", ".join(issued) if issued else "none", f"refused for {refused}" if refused else ""]
    return "; ".join(filter(None, parts))


def _warnings(warnings: list[str]) -> str:
    if not warnings:
        return ""
    return warnings[0] if len(warnings) == 1 else f"({len(warnings)} in all) {warnings[0]}"


def _row(name: str, cells: Iterable[str], last: str = "") -> str:
    return f"{name:<13.13} " + "".join(f"{cell:>10}" for cell in cells) + f"  {last}".rstrip()


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _fact(name: str, words: str) -> str:
    return textwrap.fill(
        words, WIDTH, initial_indent=f"{name:<14}", subsequent_indent=" " * 14, max_lines=2, placeholder=" ..."
    )
