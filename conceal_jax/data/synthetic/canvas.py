"""Antialiased shapes drawn with numpy on many pictures at once.

A canvas spans [-1, 1] in both directions, y downwards. Whatever differs between pictures is an array [batch] (a colour:
[3, 1, 1, batch], RGB in 0..1), and each shape is drawn for the whole batch inside the smallest window that holds it in
every picture. The batch is the last axis: numpy's inner loops stay long however small the window. A shape's coverage
falls from 1 to 0 over one pixel: that is the antialiasing.
"""

import math
from dataclasses import dataclass

import numpy as np

Scalar = np.ndarray | float
Window = tuple[slice, slice]


@dataclass(frozen=True)
class Patch:
    """A window of the canvas with coordinates of its own: x, y [rows, columns, batch], `pixel` is a pixel's width.

    The shapes are coverages in 0..1, [rows, columns, batch].
    """

    window: Window
    x: np.ndarray
    y: np.ndarray
    pixel: np.ndarray

    def ellipse(self, radius_x: Scalar, radius_y: Scalar, x: Scalar = 0.0, y: Scalar = 0.0) -> np.ndarray:
        """An ellipse about (x, y)."""
        return self.within((self.x - x) / radius_x, (self.y - y) / radius_y, np.minimum(radius_x, radius_y))

    def box(self, half_width: Scalar, half_height: Scalar) -> np.ndarray:
        """A rectangle about the patch's origin."""
        return self.edge(np.minimum(half_width - np.abs(self.x), half_height - np.abs(self.y)))

    def lens(self, half_width: Scalar, half_height: Scalar, bow: Scalar = 0.0) -> np.ndarray:
        """The area between two parabolas that meet at its ends; `bow` is how far its middle sags below them."""
        arch = (self.x / half_width) ** 2
        np.subtract(1, arch, out=arch)
        offset = bow * arch
        np.subtract(self.y, offset, out=offset)
        half = np.multiply(arch, half_height / self.pixel, out=arch)
        depth = np.abs(offset, out=offset)
        depth /= -self.pixel
        depth += half
        depth += 0.5
        half *= 2
        return clip(np.minimum(depth, half, out=depth))

    def within(self, u: np.ndarray, v: np.ndarray, scale: Scalar, bulge: Scalar = 0.0) -> np.ndarray:
        """Where (u, v) lie within a circle of radius 1 + bulge; 1 is `scale` on the canvas. Overwrites u and v."""
        u *= u
        v *= v
        u += v
        depth = np.sqrt(u, out=u)
        depth *= -scale
        depth += scale * (1 + bulge)
        return self.edge(depth)

    def glow(self, radius_x: Scalar, radius_y: Scalar) -> np.ndarray:
        """A soft spot: 1 in the middle, falling smoothly to 0 at the radii."""
        return np.maximum(1 - (self.x / radius_x) ** 2 - (self.y / radius_y) ** 2, 0) ** 2

    def edge(self, depth: np.ndarray) -> np.ndarray:
        """The coverage of a shape whose border lies `depth` away, positive inside. Overwrites `depth`."""
        depth /= self.pixel
        depth += 0.5
        return clip(depth)


class Frame:
    """Coordinates laid on a canvas: moved to (x, y), scaled and turned by `tilt` radians for each picture."""

    def __init__(self, size: int, x: np.ndarray, y: np.ndarray, scale: np.ndarray, tilt: np.ndarray):
        self.size, self.origin, self.scale = size, (x, y), scale
        self.cos, self.sin = np.cos(tilt), np.sin(tilt)
        grid = (np.arange(size, dtype=np.float32) + 0.5) * np.float32(2 / size) - 1
        across, down = (grid[:, None] - x) / scale, (grid[:, None, None] - y) / scale
        self.x, self.y = self.cos * across + self.sin * down, self.cos * down - self.sin * across
        self.pixel = 2 / size / scale

    def patch(self, x: Scalar, y: Scalar, reach_x: Scalar, reach_y: Scalar, angle: Scalar = 0.0) -> Patch:
        """Coordinates about (x, y), turned by `angle`, where a shape reaches so far along its own axes.

        A shape must stay within its reach: what lies beyond may be cut off, in one batch but not in another.
        """
        window = self.window(x, y, reach_x, reach_y, angle)
        across, down = self.x[window] - x, self.y[window] - y
        if isinstance(angle, np.ndarray) or angle:
            cos, sin = np.cos(np.float32(angle)), np.sin(np.float32(angle))
            across, down = cos * across + sin * down, cos * down - sin * across
        return Patch(window, across, down, self.pixel)

    def unmoved_patch(self, window: Window) -> Patch:
        """A window with the frame's own coordinates."""
        return Patch(window, self.x[window], self.y[window], self.pixel)

    def window(self, x: Scalar, y: Scalar, reach_x: Scalar, reach_y: Scalar, angle: Scalar = 0.0) -> Window:
        """The rows and columns that hold, in every picture, a shape about (x, y), with a pixel to spare."""
        cos, sin = np.abs(np.cos(np.float32(angle))), np.abs(np.sin(np.float32(angle)))
        wide, high = reach_x * cos + reach_y * sin, reach_x * sin + reach_y * cos
        cos, sin = np.abs(self.cos), np.abs(self.sin)
        rows = self._span(self.origin[1], self.sin * x + self.cos * y, sin * wide + cos * high)
        columns = self._span(self.origin[0], self.cos * x - self.sin * y, cos * wide + sin * high)
        return rows, columns

    def _span(self, origin: np.ndarray, centre: np.ndarray, reach: np.ndarray) -> slice:
        middle, reach = origin + self.scale * centre, self.scale * reach
        low, high = float((middle - reach).min()), float((middle + reach).max())
        start = min(max(math.floor((low + 1) * self.size / 2) - 1, 0), self.size)
        return slice(start, min(max(math.ceil((high + 1) * self.size / 2) + 1, start), self.size))


class Canvas:
    """Pictures in the making: `pixels` is float32 [3, size, size, batch], 0..1."""

    def __init__(self, batch: int, size: int):
        self.pixels = np.empty((3, size, size, batch), np.float32)

    def paint(self, patch: Patch, coverage: np.ndarray, colour: np.ndarray) -> None:
        """Lays a colour over what is there; it is as opaque as the shape covers."""
        region = self.pixels[:, *patch.window]
        change = colour - region
        change *= coverage
        region += change

    def darken(self, patch: Patch, shadow: np.ndarray) -> None:
        """Takes the share `shadow` of the light away."""
        region = self.pixels[:, *patch.window]
        region *= 1 - shadow


def clip(values: np.ndarray) -> np.ndarray:
    """Limits an array to 0..1, in place; on small arrays several times faster than np.clip."""
    return np.minimum(np.maximum(values, 0, out=values), 1, out=values)


def tint(colours: np.ndarray) -> np.ndarray:
    """Colours [batch, 3] as [3, 1, 1, batch]."""
    return colours.T[:, None, None]


def rgb(red: float, green: float, blue: float) -> np.ndarray:
    """One colour for all pictures: [3, 1, 1, 1]."""
    return tint(np.array([[red, green, blue]], np.float32))


def mix(first: np.ndarray, second: np.ndarray, share: Scalar) -> np.ndarray:
    """The colour a share [batch] of the way from the first to the second."""
    return first + share * (second - first)
