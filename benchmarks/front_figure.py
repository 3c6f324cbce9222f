"""Draws what `benchmarks.front` measured: how far above its floor each attribute is read, against picture quality.

python -m benchmarks.front --seen=runs/seen --out=runs/front > build/front.jsonl
python -m benchmarks.front_figure build/front.jsonl docs/images/front.png
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from conceal_jax.plots import Curve, Panel, curve_panels

FAMILIES = {
    "beta alone": ("bare", "beta"),
    "adversary": ("adversary",),
    "hsic": ("hsic",),
    "moments": ("moments",),
    "contrastive": ("contrastive",),
    "marginal KL": ("marginal_kl",),
}
"""How settings of one penalty are called."""


def panels(rows: Sequence[Mapping[str, Any]]) -> list[Panel]:
    """One for each attribute: the higher of the two views' readings above the floor, by PSNR."""
    return [
        Panel(
            f"{name}: read above its floor",
            "PSNR, dB",
            [_curve(label, _of(label, rows), name) for label in (*FAMILIES, "together") if _of(label, rows)],
            {"floor": ("-", 0.0)},
        )
        for name in rows[0]["floor"]
    ]


def _of(label: str, rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    def family(setting: str) -> str:
        together = " and " in setting
        return "together" if together else next(name for name, words in FAMILIES.items() if setting.startswith(words))

    found = [row for row in rows if family(row["setting"]) == label]
    return sorted(found, key=lambda row: row["psnr_db"])


def _curve(label: str, rows: Sequence[Mapping[str, Any]], name: str) -> Curve:
    above = [max(row[view][name] for view in ("codes", "neutral")) - row["floor"][name] for row in rows]
    x, y = (np.repeat(np.array(values)[:, None], 3, axis=1) for values in ([row["psnr_db"] for row in rows], above))
    return Curve(label, x, y, joined=label == "beta alone")


def main() -> None:
    """Reads lines of JSON, writes a PNG."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lines", type=Path)
    parser.add_argument("figure", type=Path)
    options = parser.parse_args()
    rows = [json.loads(line) for line in options.lines.read_text().splitlines()]
    options.figure.write_bytes(curve_panels(panels(rows)))


if __name__ == "__main__":
    main()
