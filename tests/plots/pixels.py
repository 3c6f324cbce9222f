"""Plots read back as pixels."""

import io

import numpy as np
from PIL import Image


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def contains(image: np.ndarray, block: np.ndarray) -> bool:
    """Whether `block` occurs somewhere in `image`, pixel for pixel."""
    windows = np.lib.stride_tricks.sliding_window_view(image, block.shape)[:, :, 0]
    corners = np.argwhere((windows[..., 0, 0, :] == block[0, 0]).all(-1))
    return any(np.array_equal(windows[y, x], block) for y, x in corners)


def longest(image: np.ndarray, colour: str) -> int:
    """Pixels of a colour in the row that has most of them."""
    rgb = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return int((image == rgb).all(-1).sum(axis=1).max())
