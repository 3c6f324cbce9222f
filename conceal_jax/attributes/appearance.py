"""Brightness and colour of pictures, as kept attributes that are measured rather than labelled."""

import numpy as np

from conceal_jax.attributes import Continuous

LUMINANCE = Continuous("luminance", 0, 1, "of full scale")
APPEARANCE = (
    LUMINANCE,
    Continuous("red_green", -1, 1, "of full scale"),
    Continuous("blue_yellow", -1, 1, "of full scale"),
)
"""What `appearance` measures, as attributes that can be kept."""

_OPPONENTS = np.array([[0.299, 0.587, 0.114], [1, -1, 0], [-0.5, -0.5, 1]])


def appearance(pictures: np.ndarray) -> dict[str, np.ndarray]:
    """Mean brightness and colour of whole pictures.

    Args:
        pictures: uint8 [N, S, S, 3], RGB.

    Returns:
        float32 [N] by the names in `APPEARANCE`: luminance 0.299 R + 0.587 G + 0.114 B (Rec. 601, of the gamma-coded
        values), red_green R - G, and blue_yellow B - (R + G) / 2, with R, G and B from 0 to 1.
    """
    means = pictures.mean(axis=(1, 2), dtype=np.float64) / 255
    # Rounding may leave white a hair above 1, out of the attribute's range.
    values = (means @ _OPPONENTS.T).astype(np.float32)
    return {spec.name: values[:, i].clip(spec.low, spec.high) for i, spec in enumerate(APPEARANCE)}
