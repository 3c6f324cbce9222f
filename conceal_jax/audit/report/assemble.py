"""The release card: `report.json` (described in docs/report.md), `report.html`, pictures, a one-screen summary."""

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from conceal_jax.attributes import Attribute, Categorical
from conceal_jax.audit.audit import Audit
from conceal_jax.audit.controls import PLANTED, SHUFFLED, Verdict, judge_planted, judge_shuffled
from conceal_jax.audit.reading import Figures, Reading
from conceal_jax.audit.release import SOURCES
from conceal_jax.audit.report.html import render_page
from conceal_jax.audit.report.summary import summary
from conceal_jax.audit.statistics import Estimate, excess
from conceal_jax.plots import PictureGrid, leakage_bars, picture_grid
from conceal_jax.version import __version__

SCHEMA_VERSION = 2
DECIMALS = 4
SMALL = 10
"""Classes with fewer test people than this are reported as too small to say anything of."""
MARGIN = 0.03
"""How far above its floor an attribute must be read, at 95 % confidence, to be called readable."""
RELEASED = ("codes", "pictures")

Concealment = Literal["hidden", "undecided", "weakened", "readable"]


def assemble(
    audit: Audit,
    *,
    asked_for: Mapping[str, Reading],
    certificates: Mapping[str, Any],
    context: Mapping[str, Any],
) -> dict[str, Any]:
    """The tree of report.json.

    Args:
        audit: what was found.
        asked_for: agreement with the labels asked for, of the concealed attributes; empty where none were.
        certificates: `issued` (as `Certificate.to_json` tells them) and `refused` ({attribute, reason}); either may be
            left out.
        context: what else is to be written at the top level, such as `people` {train, test}, `seed`, `seconds`, and of
            a run `distortion` {psnr_db, ssim} and `rate_nats`.
    """
    tree = {
        "schema_version": SCHEMA_VERSION,
        "version": __version__,
        "margin": MARGIN,
        "small": SMALL,
        **context,
        "concealed": {
            spec.name: {**_unit(spec), **_concealed(audit, spec.name, spec.group_names)}
            for spec in audit.attributes.concealed
        },
        "joint": {
            name: {"left_out": _left_out(audit, classes), **_concealed(audit, name, classes)}
            for name, classes in audit.joint.items()
        },
        "kept": {
            spec.name: {**_classes(spec), **_unit(spec), **_sources(_readings(audit, spec.name))}
            for spec in audit.attributes.kept
        },
        "asked_for": _sources(asked_for),
        "repeats": {releases: _sources(readings) for releases, readings in audit.repeats.items()},
        "identity": {source: dataclasses.asdict(found) for source, found in audit.identity.items()},
        "undeclared": {spec.name: {**_unit(spec), **_undeclared(audit, spec)} for spec in audit.undeclared},
        "unwatched": list(audit.unwatched),
        "controls": {source: _controls(readings) for source, readings in _with_controls(audit).items()},
        "warnings": list(audit.warnings),
    }
    # Certificates are not rounded: a bound must not fall.
    return {**_strict(tree), "certificates": {"issued": [], "refused": [], **certificates}}


def write_report(directory: Path, report: Mapping[str, Any], pictures: Mapping[str, PictureGrid]) -> str:
    """Writes report.json, report.html, leakage.png and one PNG for each grid.

    Args:
        directory: made if missing.
        report: as `assemble` makes it.
        pictures: grids by file name (without ".png").

    Returns:
        A summary that fits on one screen of a terminal.
    """
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "report.json").write_text(json.dumps(report, indent=2, allow_nan=False) + "\n")
    images = {"leakage": leakage_bars(report), **{name: picture_grid(grid) for name, grid in pictures.items()}}
    for name, image in images.items():
        (directory / f"{name}.png").write_bytes(image)
    captions = {name: grid.caption for name, grid in pictures.items()}
    (directory / "report.html").write_text(render_page(report, images, captions), encoding="utf-8")
    return summary(report) + f"\nThe whole report: {directory / 'report.html'}"


def _readings(audit: Audit, name: str) -> dict[str, Reading]:
    """Readings of one attribute by source, where there are any."""
    found: dict[str, Mapping[str, Reading]] = {source: getattr(audit, source) for source in SOURCES}
    return {source: readings[name] for source, readings in found.items() if name in readings}


def _released(audit: Audit, name: str) -> Estimate:
    """The most that is read of one attribute from anything released."""
    readings = _readings(audit, name)
    highest = [readings[source].highest for source in RELEASED if source in readings]
    return max(highest, key=lambda estimate: estimate.value)


def _leak(audit: Audit, name: str, classes: Sequence[str]) -> dict[str, Any]:
    """What the concealed, the joint and the undeclared attributes have in common."""
    readings, floor = _readings(audit, name), audit.floors[name]
    support = next(iter(readings.values())).support
    return {
        "classes": list(classes),
        "chance": floor.chance,
        "floor": floor.floor.value,
        "floor_ci95": list(floor.floor.ci95),
        "excess": dataclasses.asdict(excess(_released(audit, name), floor.floor)),
        "too_small": [each for each, count in zip(classes, support, strict=True) if count < SMALL],
        **_sources(readings),
    }


def _concealed(audit: Audit, name: str, classes: Sequence[str]) -> dict[str, Any]:
    return {"verdict": _verdict(audit, name), **_leak(audit, name, classes)}


def _undeclared(audit: Audit, spec: Attribute) -> dict[str, Any]:
    leak = _leak(audit, spec.name, spec.group_names)
    return {"exposed": leak["excess"]["ci95"][0] > MARGIN, **leak}


def _verdict(audit: Audit, name: str) -> Concealment:
    released, originals = _released(audit, name), _readings(audit, name).get("originals")
    low, high = excess(released, audit.floors[name].floor).ci95
    if high <= MARGIN:
        return "hidden" if _attackers_work(audit) else "undecided"
    if low <= MARGIN:
        return "undecided"
    return "weakened" if originals and released.ci95[1] < originals.highest.ci95[0] else "readable"


def _attackers_work(audit: Audit) -> bool:
    """Whether they found what was planted; who finds nothing elsewhere has else shown nothing."""
    controls = _with_controls(audit)
    return all(_judge(controls[source])[0].passed for source in RELEASED if source in controls)


def _left_out(audit: Audit, classes: Sequence[str]) -> int:
    """Conjunctions with too few people to be asked about."""
    return math.prod(len(spec.group_names) for spec in audit.attributes.concealed) - len(classes)


def _unit(spec: Attribute) -> dict[str, Any]:
    return {} if isinstance(spec, Categorical) else {"unit": spec.unit}


def _classes(spec: Attribute) -> dict[str, Any]:
    return {"classes": list(spec.classes)} if isinstance(spec, Categorical) else {}


def _with_controls(audit: Audit) -> dict[str, dict[str, Reading]]:
    return {source: getattr(audit, source) for source in SOURCES if PLANTED in getattr(audit, source)}


def _judge(readings: Mapping[str, Reading]) -> tuple[Verdict, Verdict]:
    """Of the planted and of the shuffled labels."""
    plant, shuffle = readings[PLANTED], readings[SHUFFLED]
    chance = 1 / np.count_nonzero(shuffle.support)
    return judge_planted(plant.highest, plant.support), judge_shuffled(shuffle.highest, chance)


def _controls(readings: Mapping[str, Reading]) -> dict[str, Any]:
    return {
        verdict.name.removeprefix("control:"): {
            "passed": verdict.passed,
            "words": verdict.words,
            **_reading(readings[verdict.name]),
        }
        for verdict in _judge(readings)
    }


def _sources(readings: Mapping[str, Reading]) -> dict[str, Any]:
    return {key: _reading(reading) for key, reading in readings.items()}


def _reading(reading: Reading) -> dict[str, Any]:
    return {
        "best_attacker": reading.best.attacker,
        **_metrics(reading.best),
        "ci95": list(reading.highest.ci95),
        "support": list(reading.support),
        "attackers": [{"attacker": figures.attacker, **_metrics(figures)} for figures in reading.attackers],
    }


def _metrics(figures: Figures) -> dict[str, Any]:
    """The decisive metric with `ci95`, every other with `METRIC_ci95`."""
    tree: dict[str, Any] = {}
    for name, estimate in figures.metrics.items():
        tree[name] = estimate.value
        tree["ci95" if estimate is figures.decisive else f"{name}_ci95"] = list(estimate.ci95)
    return tree


def _strict(tree: Any) -> Any:
    """The same tree for strict JSON: floats rounded, and null for what is not a finite number."""
    if isinstance(tree, Mapping):
        return {key: _strict(value) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [_strict(value) for value in tree]
    if isinstance(tree, bool | int | str) or tree is None:
        return tree
    return round(float(tree), DECIMALS) if math.isfinite(tree) else None
