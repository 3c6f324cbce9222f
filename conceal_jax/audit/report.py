"""The report: `report.json` (described in docs/report.md), `report.html`, pictures, a one-screen summary."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from conceal_jax import __version__
from conceal_jax.attributes import Attribute, AttributeSet, Categorical
from conceal_jax.audit.page import render_page
from conceal_jax.audit.protocol import Figures, Floor, Reading
from conceal_jax.plots import METRICS, SOURCES, PictureGrid, decisive, leakage_bars, picture_grid

SCHEMA_VERSION = 1
DECIMALS = 4


def assemble(
    attributes: AttributeSet,
    floors: Mapping[str, Floor],
    originals: Mapping[str, Reading],
    codes: Mapping[str, Reading],
    pictures: Mapping[str, Reading],
    asked_for: Mapping[str, Reading],
    *,
    distortion: Mapping[str, float],
    rate_nats: float,
    context: Mapping[str, Any],
) -> dict[str, Any]:
    """The tree of report.json.

    Args:
        attributes: what is concealed and kept.
        floors: of the concealed attributes.
        originals, codes, pictures: readings of all attributes from original pictures, codes and concealed pictures.
        asked_for: agreement with the labels asked for, of the concealed attributes.
        distortion: `psnr_db` and `ssim` of reconstructions.
        rate_nats: mean rate of a code.
        context: what else is to be written at the top level, such as `people` {train, test}, `seed`, `seconds`.
    """
    sources = dict(zip(SOURCES, (originals, codes, pictures), strict=True))

    def read(spec: Attribute) -> dict[str, Any]:
        return {source: _reading_tree(readings[spec.name]) for source, readings in sources.items()}

    tree = {
        "schema_version": SCHEMA_VERSION,
        "version": __version__,
        **context,
        "distortion": dict(distortion),
        "rate_nats": rate_nats,
        "concealed": {
            spec.name: {
                "classes": list(spec.group_names),
                **_unit(spec),
                **_floor_tree(floors[spec.name]),
                **read(spec),
            }
            for spec in attributes.concealed
        },
        "kept": {spec.name: {**_classes(spec), **_unit(spec), **read(spec)} for spec in attributes.kept},
        "asked_for": {name: _reading_tree(reading) for name, reading in asked_for.items()},
    }
    return _strict(tree)


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


def summary(report: Mapping[str, Any]) -> str:
    """The decisive figures as a table of plain text."""
    distortion = report["distortion"]
    quality = ", ".join(f"{name} {_number(value)}" for name, value in distortion.items())
    lines = [f"{quality}, rate_nats {_number(report['rate_nats'])}", ""]
    lines.append(_line("concealed", ["chance", "floor", *SOURCES, "asked for"]))
    for name, item in report["concealed"].items():
        agreement = report["asked_for"].get(name)
        cells = [item["chance"], item["floor"], *(decisive(item[source])[1] for source in SOURCES)]
        cells.append(decisive(agreement)[1] if agreement else None)
        lines.append(_line(name, map(_number, cells)))
    if report["kept"]:
        lines += ["", _line("kept", ["", "", *SOURCES, ""])]
    for name, item in report["kept"].items():
        metric = METRICS[decisive(item["codes"])[0]]
        lines.append(_line(name, ["", "", *(_number(decisive(item[source])[1]) for source in SOURCES)]) + f"  {metric}")
    lines += ["", "Balanced accuracy, or R², of the best of several fresh attackers on people not seen in training."]
    return "\n".join(lines)


def _line(name: str, cells: Any) -> str:
    return f"{name:<14.14}" + "".join(f"{cell:>11}" for cell in cells)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _unit(spec: Attribute) -> dict[str, Any]:
    return {} if isinstance(spec, Categorical) else {"unit": spec.unit}


def _classes(spec: Attribute) -> dict[str, Any]:
    return {"classes": list(spec.classes)} if isinstance(spec, Categorical) else {}


def _floor_tree(floor: Floor) -> dict[str, Any]:
    return {"chance": floor.chance, "floor": floor.floor.value, "floor_ci95": list(floor.floor.ci95)}


def _reading_tree(reading: Reading) -> dict[str, Any]:
    return {
        "best_attacker": reading.best.attacker,
        **_metrics_tree(reading.best),
        "support": list(reading.support),
        "attackers": [{"attacker": figures.attacker, **_metrics_tree(figures)} for figures in reading.attackers],
    }


def _metrics_tree(figures: Figures) -> dict[str, Any]:
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
