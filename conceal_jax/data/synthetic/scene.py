"""What a chunk of synthetic faces looks like before it is drawn: where the heads are, and what colours they have.

Sizes are in canvas units (the picture is 2 wide), angles in radians. A point of the face is given by its angle from the
middle of the face about the vertical axis, and its height: turning the head moves and narrows it as on a globe.
"""

from collections.abc import Mapping

import numpy as np

from conceal_jax.data.synthetic.canvas import Canvas, Frame, Scalar, clip, mix, rgb, tint

NUISANCES = (
    *(
        "shift_x",
        "shift_y",
        "zoom",
        "tilt",
        "face_width",
        "face_height",
        "eye_gap",
        "eye_size",
        "eye_tone",
        "gaze",
    ),
    *(
        "brow_height",
        "nose_size",
        "mouth_width",
        "mouth_height",
        "skin_depth",
        "skin_warmth",
        "hair_tone",
        "hair_volume",
    ),
    *(
        "hair_part",
        "hair_phase",
        "greying",
        "wrinkling",
        "shirt_hue",
        "shirt_value",
        "neckline",
        "vignette",
        "noise",
    ),
)

# Rows: White, Black, Asian, Indian, Other.
_SKIN = np.array(
    [[0.97, 0.80, 0.72], [0.50, 0.33, 0.24], [0.95, 0.80, 0.60], [0.66, 0.45, 0.30], [0.82, 0.62, 0.46]],
    np.float32,
)
_HAIR_LIGHT = np.array(
    [[0.88, 0.68, 0.38], [0.17, 0.12, 0.10], [0.20, 0.16, 0.16], [0.22, 0.15, 0.12], [0.46, 0.28, 0.16]],
    np.float32,
)
_HAIR_DARK = np.array(
    [[0.42, 0.25, 0.14], [0.10, 0.07, 0.07], [0.09, 0.08, 0.10], [0.11, 0.08, 0.08], [0.20, 0.12, 0.08]],
    np.float32,
)


class Scene:
    """A chunk of pictures being drawn: canvas, frames, and the traits that several parts of the face share."""

    def __init__(self, factors: Mapping[str, np.ndarray], nuisance: Mapping[str, np.ndarray], size: int):
        self.factors, self.nuisance = factors, nuisance
        self.canvas = Canvas(len(factors["age"]), size)
        self.ethnicity = factors["ethnicity"].astype(np.int32)
        self.hair_style = factors["hair"].astype(np.int32)
        self.female, self.smile = factors["gender"], factors["smile"]
        self.life = factors["age"] / 100
        self.youth = np.exp(-factors["age"] / 11)
        self.adult = clip((factors["age"] - 12) / 8)
        self.yaw = 0.42 * factors["pose"]
        self._place_head(size)
        self.skin = self._skin()
        self.hair = self._hair()

    def _place_head(self, size: int) -> None:
        n, youth = self.nuisance, self.youth
        x, y, zoom = 0.03 * n["shift_x"], 0.02 * n["shift_y"], 1 + 0.03 * n["zoom"]
        tilt = 0.10 * self.factors["pose"] + 0.02 * n["tilt"]
        self.body = Frame(size, x, y, zoom, np.zeros_like(zoom))
        self.head = Frame(size, x + 0.45 * np.sin(tilt), y - 0.05, zoom, tilt)
        self.half_width = (0.475 + 0.025 * youth) * (1 + 0.02 * n["face_width"])
        self.half_height = (0.635 - 0.085 * youth) * (1 + 0.02 * n["face_height"])
        self.eye_y = -0.045 + 0.145 * youth
        self.eye_angle = 0.445 * (1 + 0.03 * n["eye_gap"])
        self.mouth_y = 0.375 + 0.025 * youth + 0.01 * n["mouth_height"]

    def _skin(self) -> np.ndarray:
        depth = 1 + 0.06 * self.nuisance["skin_depth"] - 0.04 * self.life
        warmth = 0.015 * self.nuisance["skin_warmth"] * rgb(0.6, 0.0, -1.0)
        skin = self.by_ethnicity(_SKIN) * depth + warmth
        return mix(skin, skin.mean(axis=0, keepdims=True), 0.22 * self.life)

    def _hair(self) -> np.ndarray:
        tone = (self.nuisance["hair_tone"] + 1) / 2
        grey = clip((self.factors["age"] - 28 - 3 * self.nuisance["greying"]) / 50)
        natural = mix(self.by_ethnicity(_HAIR_LIGHT), self.by_ethnicity(_HAIR_DARK), tone)
        return mix(natural, rgb(0.86, 0.86, 0.88), grey)

    def by_ethnicity(self, colours: np.ndarray) -> np.ndarray:
        """The row of a table of colours [ethnicities, 3] for each face."""
        return tint(colours[self.ethnicity])

    def place(self, angle: Scalar, y: Scalar) -> tuple[np.ndarray, np.ndarray]:
        """The position of a point of the turned head, and the narrowing there."""
        radius = self.half_width * np.sqrt(1 - 0.7 * (y / self.half_height) ** 2)
        return radius * np.sin(angle + self.yaw), np.cos(angle + self.yaw) / np.cos(np.float32(angle))
