"""The report as one page that a privacy officer can read, and the folder that it lies in."""

from collections.abc import Mapping
from pathlib import Path

from conceal_jax.audit.report.charts import leakage_bars
from conceal_jax.audit.report.schema import Kept, Leakage, Reading, Report, Undeclared, sources_of, write_report
from conceal_jax.audit.report.summary import summary
from conceal_jax.audit.report.templating import TEMPLATES, render
from conceal_jax.audit.statistics import Estimate
from conceal_jax.audit.vocabulary import METRICS, SOURCES, VERDICTS
from conceal_jax.plots.grids import PictureGrid, picture_grid


def write_folder(folder: Path, report: Report, grids: Mapping[str, PictureGrid]) -> str:
    """Writes report.json, report.html, leakage.png and one PNG for each grid.

    Args:
        folder: made if missing.
        report: of an audit.
        grids: pictures by file name (without ".png").

    Returns:
        A summary that fits on one screen of a terminal.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_report(report, folder / "report.json")
    leakage, pictures = leakage_bars(report), {name: picture_grid(grid) for name, grid in grids.items()}
    for name, image in {"leakage": leakage, **pictures}.items():
        (folder / f"{name}.png").write_bytes(image)
    captioned = [(pictures[name], grid.caption) for name, grid in grids.items()]
    (folder / "report.html").write_text(render_page(report, leakage, captioned), encoding="utf-8")
    return f"{summary(report)}\nThe whole report: {folder / 'report.html'}"


def render_page(report: Report, leakage: bytes, pictures: list[tuple[bytes, str]]) -> str:
    """The text of report.html.

    Args:
        report: of an audit.
        leakage: PNG of its bars.
        pictures: PNG and caption of each grid.
    """
    return render(
        TEMPLATES / "report.html.jinja",
        report=report,
        leakage=leakage,
        pictures=pictures,
        released=[SOURCES[source].many for source in sources_of(report.concealed.values()) if SOURCES[source].released],
        attackers=_attackers(report),
        controls=list(report.each_control()),
        exposed=_exposed(report),
        refused=_refused(report),
        groups=_groups(report),
        heads=[_codes(count) for count in report.repeats],
        also=_also,
        sources_of=sources_of,
        METRICS=METRICS,
        VERDICTS=VERDICTS,
    )


def _exposed(report: Report) -> list[tuple[str, Undeclared]]:
    """Undeclared attributes that leak, most of all first."""
    exposed = [(name, item) for name, item in report.undeclared.items() if item.exposed]
    return sorted(exposed, key=lambda named: -named[1].excess.value)


def _codes(count: str) -> str:
    return f"{count} code" if count in ("1", "mean") else f"{count} codes"


def _also(metrics: Mapping[str, Estimate], unit: str = "") -> str:
    """Every metric but the first, by which attackers are compared."""
    return ", ".join(METRICS[name].text(figure.value, unit) for name, figure in list(metrics.items())[1:])


def _groups(report: Report) -> dict[str, list[tuple[str, str, Reading]]]:
    """Every reading under the title of its table: what is read, from what, and how well."""
    parts: dict[str, Mapping[str, Leakage | Kept]] = {
        "Concealed": report.concealed,
        "Jointly": report.joint,
        "Kept": report.kept,
        "Undeclared": report.undeclared,
    }
    return {
        **{
            title: [(name, source, item.readings[source]) for name, item in part.items() for source in item.readings]
            for title, part in parts.items()
        },
        "Several codes": [(name, _codes(count), each[name]) for count, each in report.repeats.items() for name in each],
        "Controls": [(name, source, control.reading) for source, name, control in report.each_control()],
    }


def _attackers(report: Report) -> list[str]:
    """Names of those that read concealed attributes from anything released."""
    names = (
        figures.attacker
        for item in report.concealed.values()
        for source, reading in item.readings.items()
        if SOURCES[source].released
        for figures in reading.attackers
    )
    return list(dict.fromkeys(names))


def _refused(report: Report) -> dict[str, list[str]]:
    """Attributes without a certificate, by the reason."""
    reasons: dict[str, list[str]] = {}
    for one in report.certificates.refused:
        reasons.setdefault(one.reason, []).append(one.attribute)
    return reasons
