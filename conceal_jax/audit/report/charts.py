"""The chart of a report: what attackers read of every attribute, beside chance and floor."""

from collections.abc import Mapping

from conceal_jax.audit.report.schema import Kept, Leakage, Report
from conceal_jax.audit.vocabulary import METRICS, SOURCES
from conceal_jax.plots.bars import Bar, BarGroup, bar_panels


def leakage_bars(report: Report) -> bytes:
    """PNG, with 95 % intervals; a source that was not read has no bars."""
    items: dict[str, Mapping[str, Leakage | Kept]] = {
        "Concealed: shorter is better, down to the floor": report.hidden,
        "Kept: longer is better": report.kept,
    }
    return bar_panels(
        {title: [_group(name, item) for name, item in part.items()] for title, part in items.items() if part}
    )


def _group(name: str, item: Leakage | Kept) -> BarGroup:
    bars = [
        Bar(source, words.colour, item.readings[source].best.value, *item.readings[source].best.ci95)
        for source, words in SOURCES.items()
        if source in item.readings
    ]
    metric = next(iter(item.readings.values())).metric
    return BarGroup(name, METRICS[metric].label, bars, _marks(item) if isinstance(item, Leakage) else {})


def _marks(item: Leakage) -> dict[str, tuple[str, float]]:
    return {"chance": (":", item.chance), "floor (kept labels alone)": ("-", item.floor.value)}
