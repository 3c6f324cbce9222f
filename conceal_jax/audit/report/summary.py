"""The report on one screen of a terminal."""

import math
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice

from conceal_jax.audit.report.schema import (
    Certificates,
    Concealed,
    Context,
    Kept,
    Reading,
    Readings,
    Report,
    Undeclared,
)
from conceal_jax.audit.utility import Identification
from conceal_jax.audit.vocabulary import METRICS, MISSING, SOURCES, Source, number

WIDTH = 100
MOST_CONCEALED, MOST_KEPT = 10, 6
"""Attributes shown; the page has them all."""
COLUMNS = ("chance", "floor", *SOURCES, "excess", "requested")
FOOTER = "Balanced accuracy, or R², of the best of several fresh attackers on held-out people."


def summary(report: Report) -> str:
    """The figures that decide, as plain text: at most 40 lines of 100 columns."""
    parts = [[_origin(report.context)], _concealed_lines(report), _kept_lines(report.kept)]
    facts = {
        "repeats": _repeats(report.repeats),
        "identity": _identity(report.identity),
        "undeclared": _undeclared(report.undeclared),
        "controls": _controls(report),
        "certificates": _certificates(report.certificates),
        "warnings": _warnings(report.warnings),
    }
    parts += [[_fact(name, words) for name, words in facts.items() if words], [FOOTER]]
    return "\n\n".join("\n".join(lines) for lines in parts if lines)


def _origin(context: Context) -> str:
    parts = [f"train people {context.people.train:,}", f"test people {context.people.test:,}"]
    if context.distortion:
        parts += [METRICS["psnr_db"].text(context.distortion.psnr_db), METRICS["ssim"].text(context.distortion.ssim)]
    parts += [f"rate {number(context.rate_nats)} nats"] if context.rate_nats is not None else []
    return ", ".join(parts)


def _concealed_lines(report: Report) -> list[str]:
    shown = dict(islice(report.concealed.items(), MOST_CONCEALED))
    lines = [_row("concealed", COLUMNS, "verdict")]
    lines += [_concealed_line(name, item, report.requested.get(name)) for name, item in shown.items()]
    lines += _more(len(report.concealed) - len(shown))
    return lines + [_concealed_line("jointly", item, None) for item in report.joint.values()]


def _concealed_line(name: str, item: Concealed, requested: Reading | None) -> str:
    cells = [number(item.chance), number(item.floor.value), *_cells(item.readings), number(item.excess.value)]
    return _row(name, [*cells, number(requested.best.value) if requested else MISSING], item.verdict)


def _kept_lines(kept: Mapping[str, Kept]) -> list[str]:
    lines = [_row("kept", ["", "", *SOURCES])] if kept else []
    for name, item in islice(kept.items(), MOST_KEPT):
        metric = next(iter(item.readings.values())).metric
        lines.append(_row(name, ["", "", *_cells(item.readings)], METRICS[metric].label))
    return lines + _more(len(kept) - MOST_KEPT)


def _cells(readings: Readings) -> list[str]:
    return [number(readings[source].best.value) if source in readings else MISSING for source in SOURCES]


def _more(count: int) -> list[str]:
    return [f"and {count} more in the whole report"] if count > 0 else []


def _repeats(repeats: Mapping[str, Mapping[str, Reading]]) -> str:
    if not repeats:
        return ""
    (few, once), *_, (many, most) = repeats.items()
    reads = [f"{name} {number(once[name].best.value)}->{number(most[name].best.value)}" for name in once]
    return f"{few} code -> {many} code: {', '.join(reads)}"


def _identity(identity: Mapping[Source, Identification]) -> str:
    if not identity:
        return ""
    found = ", ".join(f"{source} {number(item.rate.value)}" for source, item in identity.items())
    one = next(iter(identity.values()))
    return f"found among {one.people:,} people: {found} (chance {number(one.chance)})"


def _undeclared(undeclared: Mapping[str, Undeclared]) -> str:
    if not undeclared:
        return ""
    exposed = [name for name, item in undeclared.items() if item.exposed]
    return f"{len(exposed)} of {len(undeclared)} watched are exposed" + (f": {', '.join(exposed)}" if exposed else "")


def _controls(report: Report) -> str:
    failed = [f"{name} on {source}" for source, name, control in report.each_control() if not control.passed]
    if failed:
        return f"FAILED: {', '.join(failed)}; read the report before you trust a figure"
    return f"planted and shuffled labels passed on {', '.join(report.controls)}" if report.controls else ""


def _certificates(certificates: Certificates) -> str:
    issued = [
        # Upwards: a bound must not fall.
        f"{one.attribute} <= {math.ceil(one.bound * 1000) / 1000:.3f}"
        for one in certificates.issued
    ]
    refused = ", ".join(one.attribute for one in certificates.refused)
    return "; ".join([", ".join(issued) or "none", *([f"refused for {refused}"] if refused else [])])


def _warnings(warnings: Sequence[str]) -> str:
    if not warnings:
        return ""
    return warnings[0] if len(warnings) == 1 else f"({len(warnings)} in all) {warnings[0]}"


def _row(name: str, cells: Iterable[str], last: str = "") -> str:
    return f"{name:<13.13} " + "".join(f"{cell:>10}" for cell in cells) + f"  {last}".rstrip()


def _fact(name: str, words: str) -> str:
    return textwrap.fill(
        words, WIDTH, initial_indent=f"{name:<14}", subsequent_indent=" " * 14, max_lines=2, placeholder=" ..."
    )
