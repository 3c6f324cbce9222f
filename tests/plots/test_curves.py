"""Curves, read back as pixels."""

import numpy as np

from conceal_jax.plots.curves import Curve, Panel, curve_panels
from conceal_jax.plots.style import PALETTE
from tests.plots.pixels import longest, pixels


def test_every_curve_has_a_colour_of_its_own_in_all_panels():
    points = np.array([[1.0, 0.9, 1.1], [2.0, 1.9, 2.1]])
    curves = [Curve("first", points, points), Curve("second", points, points + 5)]
    both = pixels(curve_panels([Panel("up", "across", curves), Panel("up", "across", curves[1:], log_x=True)]))
    one = pixels(curve_panels([Panel("up", "across", curves[:1])]))
    assert both.shape[1] == 2 * one.shape[1]
    assert all(longest(both, colour) for colour in PALETTE[:2])
    assert not longest(one, PALETTE[1])
