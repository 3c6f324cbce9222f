"""Bars, read back as pixels."""

import subprocess
import sys

import pytest

from conceal_jax.plots.bars import Bar, BarGroup, bar_panels
from tests.plots.pixels import longest, pixels

BLUE, ORANGE = "#2f6db5", "#e08a1e"


def group(accuracy: float, *colours: str, name: str = "gender") -> BarGroup:
    bars = [Bar(colour, colour, accuracy, accuracy - 0.01, accuracy + 0.01) for colour in colours]
    return BarGroup(name, "balanced accuracy", bars, {"floor": ("-", 0.55)})


def test_bars_are_as_long_as_the_figures():
    long, short = (longest(pixels(bar_panels({"": [group(value, BLUE)]})), BLUE) for value in (0.9, 0.45))
    assert short / long == pytest.approx(0.5, abs=0.05)


def test_groups_of_one_panel_may_have_different_bars():
    image = pixels(bar_panels({"": [group(0.9, BLUE, ORANGE), group(0.6, ORANGE)]}))
    assert longest(image, BLUE) == pytest.approx(longest(image, ORANGE), abs=2)


def test_what_lies_below_the_axis_has_no_bar():
    worse = BarGroup("pose", "R²", [Bar("codes", BLUE, -0.3, -0.4, -0.2)])
    image = pixels(bar_panels({"Concealed": [group(0.9, ORANGE)], "Kept": [worse]}))
    assert longest(image, BLUE) < 50 < longest(image, ORANGE)


def test_dollar_signs_in_names_are_no_formulas():
    assert bar_panels({"": [group(0.9, BLUE, name=r"$\wrong$")]})


def test_importing_plots_does_not_load_matplotlib():
    modules = "bars, curves, grids, style"
    code = f"from conceal_jax.plots import {modules}; import sys; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
