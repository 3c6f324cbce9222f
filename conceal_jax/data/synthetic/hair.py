"""Hair of the synthetic faces: what shows behind the head, and what lies over the brow."""

import numpy as np

from conceal_jax.data.synthetic.canvas import Patch, clip
from conceal_jax.data.synthetic.scene import Scene

# Columns: short, long, curly, buzz.
_HAIR_VOLUME = np.array([0.085, 0.10, 0.17, 0.022], np.float32)
_HAIR_DROP = np.array([0.14, 0.70, 0.20, 0.08], np.float32)
_HAIR_BACK_DROP = np.array([-1.0, 0.86, 0.34, -1.0], np.float32)  # above the head: none
_HAIRLINE = np.array([-0.40, -0.41, -0.36, -0.45], np.float32)
_HAIR_ROUNDNESS = np.array([3.4, 0.18, 0.8, 3.4], np.float32)
_HAIR_CURL = np.array([0, 0, 1, 0], np.float32)
_HAIR_SWEEP = np.array([0.16, 0.10, 0, 0], np.float32)
_HAIR_COVER = np.array([1.0, 1.0, 1.0, 0.62], np.float32)


def _hair_outline(scene: Scene, drop: np.ndarray) -> tuple[Patch, np.ndarray, np.ndarray]:
    """Hair around the skull, a dome above that falls straight or round down to `drop`: patch, coverage, curls."""
    volume = _HAIR_VOLUME[scene.hair_style] * (1 - 0.4 * scene.youth) * (1 + 0.12 * scene.nuisance["hair_volume"])
    wide, high = scene.half_width + volume, scene.half_height + volume
    window = scene.head.window(0.0, (drop - high) / 2, wide + 0.06, (drop + high) / 2 + 0.07)
    patch = scene.head.unmoved_patch(window)
    y = np.minimum(patch.y, 0)
    y += _HAIR_ROUNDNESS[scene.hair_style] * (patch.y - y)
    bumps = _curls(scene, patch)
    coverage = patch.within(patch.x / wide, y / high, wide, 0.05 * bumps)
    coverage *= clip(14 * (drop + 0.03 * bumps) + 0.5 - 14 * patch.y)
    return patch, coverage, bumps


def _curls(scene: Scene, patch: Patch) -> np.ndarray:
    """A field of bumps in -1..1 for curly hair, 0 for other hair."""
    curly = _HAIR_CURL[scene.hair_style]
    if not curly.any():
        return curly
    phase = 3 * scene.nuisance["hair_phase"]
    x = patch.x + 0.05 * np.sin(13 * patch.y + phase)
    y = patch.y + 0.05 * np.sin(11 * patch.x - phase)
    return curly * (np.sin(22 * x + phase) * np.sin(22 * y))


def draw_back_hair(scene: Scene) -> None:
    """Paints long and curly hair behind the head."""
    drop = _HAIR_BACK_DROP[scene.hair_style]
    if (drop < 0).all():
        return
    patch, coverage, bumps = _hair_outline(scene, drop)
    scene.canvas.paint(patch, coverage, scene.hair * (0.72 + 0.12 * bumps))


def draw_front_hair(scene: Scene) -> None:
    """Paints the hair above the face, down to the hairline."""
    n = scene.nuisance
    patch, outline, bumps = _hair_outline(scene, _HAIR_DROP[scene.hair_style])
    middle, hairline = 0.26, _HAIRLINE[scene.hair_style] + 0.06 * scene.youth
    x = patch.x - 0.16 * scene.yaw
    y = np.minimum(patch.y + _HAIR_SWEEP[scene.hair_style] * (1 + 0.3 * n["hair_part"]) * x + (0.05 - middle), 0)
    face = patch.within(x / (0.90 * scene.half_width), y / (middle - hairline), 0.5, 0.04 * bumps)
    strands = np.sin(x * ((30 + 4 * n["hair_tone"]) / (1.25 + patch.y)) + 3 * n["hair_phase"])
    sheen = np.maximum(1 - 9 * (patch.y + 0.5 * patch.x + 0.55) ** 2, 0)
    shade = 0.95 + 0.05 * strands + 0.18 * bumps + 0.20 * sheen
    cover = _HAIR_COVER[scene.hair_style] * (1 - 0.25 * scene.youth)
    scene.canvas.paint(patch, outline * (cover - cover * face), scene.hair * shade)
