"""Curves of a sweep: every figure in a table, the means over seeds in pictures, and both on a page."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from conceal_jax.audit.report.templating import render
from conceal_jax.audit.statistics import Estimate
from conceal_jax.config import Config
from conceal_jax.plots.curves import Curve, Panel, curve_panels
from conceal_jax.research.audits import TOTAL
from conceal_jax.research.figures import Result, over_seeds, pareto_front, tidy_csv
from conceal_jax.runtime import atomic

TABLE, PAGE = "curves.csv", "curves.html"
RATE = "rate, nats"
QUICK = "quick"

Name = tuple[str, str, str]
"""Quantity, attribute and suite."""


@dataclasses.dataclass(frozen=True)
class Setting:
    """One point of the curves: the members that differ by seed alone.

    Attributes:
        number: among the sweep's settings.
        kind: of the bottleneck, by which points are joined.
        fields: its hyper-parameters.
        seeds: how many members are behind it.
        figures: means over the seeds.
    """

    number: int
    kind: str
    fields: Mapping[str, Any]
    seeds: int
    figures: Mapping[Name, Estimate]

    def get(self, quantity: str, attribute: str = "", suite: str = "") -> Estimate | None:
        """A figure, if there is one."""
        return self.figures.get((quantity, attribute, suite))


def write_curves(
    out: Path, results: Sequence[Result], members: Mapping[str, Config], known_floors: Mapping[str, float]
) -> None:
    """Writes curves.csv, curves.html, and the page's pictures as PNG files.

    Args:
        out: directory of the sweep.
        results: of all members.
        members: their configurations by name.
        known_floors: by attribute, where the floor is known exactly.
    """
    atomic.write_text(out / TABLE, tidy_csv(results))
    settings = gathered(results, members)
    images = {}
    for name, (panels, caption) in pages(settings, known_floors).items():
        if panels:
            images[name] = curve_panels(panels), caption
            (out / f"{name}.png").write_bytes(images[name][0])
    failed = [result for result in results if result.failure]
    atomic.write_text(out / PAGE, _page(settings, images, failed))


def gathered(results: Sequence[Result], members: Mapping[str, Config]) -> list[Setting]:
    """The settings of which a member succeeded, in order."""
    settings = []
    for number in sorted({result.setting for result in results if not result.failure}):
        own = [result for result in results if result.setting == number and not result.failure]
        names = dict.fromkeys((row.quantity, row.attribute, row.suite) for result in own for row in result.rows)
        figures = {name: over_seeds(row for result in own for row in result.values(*name)) for name in names}
        config = members[own[0].name]
        # Codes of other length or other levels are other curves.
        size = "x".join(map(str, config.model.levels)) or str(config.model.latent_dim)
        settings.append(Setting(number, f"{config.model.bottleneck} {size}", own[0].settings, len(own), figures))
    return settings


def pages(settings: Sequence[Setting], known_floors: Mapping[str, float]) -> dict[str, tuple[list[Panel], str]]:
    """Pictures by file name: their panels, and what they show."""
    return {
        "leakage": (
            list(_leakage(settings, known_floors)),
            "What the quick attackers read of codes of held-out people, against the rate. Broken lines: the floor "
            "that kept labels set, as measured; dotted: as known, where it is. Bars: 95 % intervals over seeds.",
        ),
        "distortion": (
            [
                *_panels(settings, [("psnr_db", "", "")], "PSNR, dB"),
                *_panels(settings, [("ssim", "", "")], "SSIM"),
                *_panels(settings, [("active_units", "", "")], "active dimensions"),
                *_front(settings),
            ],
            "Picture quality of decoded samples, and how many dimensions of a code are in use. Last: what is left when "
            "both leakage and quality count; points that another one beats in both are pale.",
        ),
        "kept": (
            [
                panel
                for quantity in ("kept_balanced_accuracy", "kept_r2")
                for panel in _panels(settings, _of(settings, quantity), quantity.removeprefix("kept_").upper()[:2])
            ],
            "Kept attributes, read from the same codes: balanced accuracy of classes (BA), R2 of values.",
        ),
        "bits": (
            list(_bits(settings)),
            "Bits by which a guess improves, log2 of balanced accuracy over chance: what attackers read, and what a "
            "certificate allows anyone at the most.",
        ),
    }


def front_of(settings: Sequence[Setting]) -> set[int]:
    """The numbers of those that no other one beats in both picture quality and leakage."""
    leaked = [_value(setting, "nats_above_floor", TOTAL, QUICK) for setting in settings]
    quality = [_value(setting, "psnr_db") for setting in settings]
    unbeaten = pareto_front(np.stack([leaked, -np.array(quality)], axis=1))
    return {setting.number for setting, kept in zip(settings, unbeaten, strict=True) if kept}


def _value(setting: Setting, quantity: str, attribute: str = "", suite: str = "") -> float:
    found = setting.get(quantity, attribute, suite)
    assert found is not None
    return found.value


def _of(settings: Sequence[Setting], quantity: str, suite: str = QUICK) -> list[Name]:
    """Names of a quantity's figures, one for each attribute."""
    every = dict.fromkeys(name for setting in settings for name in setting.figures)
    return [name for name in every if name[0] == quantity and name[2] == suite]


def _curves(settings: Sequence[Setting], across: Name, up: Name) -> list[Curve]:
    """One for each kind of bottleneck, its points in the order of what runs across."""
    curves = []
    for kind in dict.fromkeys(setting.kind for setting in settings):
        points = [
            (x, y)
            for setting in settings
            if setting.kind == kind and (x := setting.get(*across)) and (y := setting.get(*up))
        ]
        if points:
            points.sort(key=lambda point: point[0].value)
            curves.append(
                Curve(
                    kind,
                    np.array([(x.value, *x.ci95) for x, _ in points]),
                    np.array([(y.value, *y.ci95) for _, y in points]),
                )
            )
    return curves


def _panels(settings: Sequence[Setting], names: Sequence[Name], title: str) -> Iterator[Panel]:
    """A panel for each figure against the rate."""
    for name in names:
        curves = _curves(settings, ("rate_nats", "", ""), name)
        if curves:
            yield Panel(f"{name[1]} {title}".strip(), RATE, curves, log_x=True)


def _leakage(settings: Sequence[Setting], known_floors: Mapping[str, float]) -> Iterator[Panel]:
    for name in _of(settings, "balanced_accuracy"):
        (panel,) = _panels(settings, [name], "balanced accuracy")
        floor = over_settings(settings, ("floor", *name[1:]))
        lines = {"floor": ("--", floor)}
        if name[1] in known_floors:
            lines["known floor"] = (":", known_floors[name[1]])
        yield dataclasses.replace(panel, lines=lines)
    for name in _of(settings, "nats_above_floor"):
        yield from (
            dataclasses.replace(panel, lines={"floor": ("--", 0.0)})
            for panel in _panels(settings, [name], "nats above the floor")
        )


def over_settings(settings: Sequence[Setting], name: Name) -> float:
    """The mean of a figure that is the same for all settings but for rounding."""
    return float(np.mean([_value(setting, *name) for setting in settings if setting.get(*name)]))


def _front(settings: Sequence[Setting]) -> list[Panel]:
    on_front = front_of(settings)
    leaked, quality = ("nats_above_floor", TOTAL, QUICK), ("psnr_db", "", "")
    parts = [
        ("front", [setting for setting in settings if setting.number in on_front]),
        ("beaten", [setting for setting in settings if setting.number not in on_front]),
    ]
    curves = [
        dataclasses.replace(curve, label=label, pale=label == "beaten", joined=label == "front")
        for label, part in parts
        for curve in _curves([dataclasses.replace(each, kind=label) for each in part], leaked, quality)
    ]
    return [Panel("PSNR, dB", "nats above the floor, all attributes", curves)] if curves else []


def _bits(settings: Sequence[Setting]) -> Iterator[Panel]:
    for _, attribute, _ in _of(settings, "certified_bits", suite=""):
        certified = [setting for setting in settings if setting.get("certified_bits", attribute)]
        curves = [
            dataclasses.replace(curve, label=f"{curve.label}: {what}")
            for what, name in (
                ("certified", ("certified_bits", attribute, "")),
                ("measured", ("measured_bits", attribute, QUICK)),
            )
            for curve in _curves(certified, ("rate_nats", "", ""), name)
        ]
        yield Panel(f"{attribute} bits", RATE, curves, log_x=True)


def _page(settings: Sequence[Setting], images: Mapping[str, tuple[bytes, str]], failed: Sequence[Result]) -> str:
    leaks = _of(settings, "balanced_accuracy", "quick") + _of(settings, "balanced_accuracy", "full")
    names: list[Name] = [("rate_nats", "", ""), ("psnr_db", "", ""), ("ssim", "", ""), *leaks]
    return render(
        Path(__file__).with_name("curves.html.jinja"),
        settings=settings,
        front=front_of(settings) if settings else set(),
        heads=["setting", "seeds", *(" ".join(filter(None, (name[1] or name[0], name[2]))) for name in names)],
        names=names,
        images=images,
        failed=failed,
        table_file=TABLE,
    )
