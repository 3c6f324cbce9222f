"""Draws the synthetic faces of `conceal_jax.data.synthetic.factors`, layer on layer, a chunk of pictures at a time."""

from collections.abc import Iterator, Mapping

import numpy as np

from conceal_jax.data.synthetic.canvas import Scalar, clip, mix, rgb, tint
from conceal_jax.data.synthetic.hair import draw_back_hair, draw_front_hair
from conceal_jax.data.synthetic.scene import NUISANCES, Scene

_PIXELS_PER_CHUNK = 64 * 64 * 64  # more pictures at once spare calls, fewer stay in cache
_KEPT_MEMORY = 31 << 20  # bytes; glibc adapts to blocks below 32 MB
_NOISE_LEVEL = 0.008  # standard deviation of the camera's noise; white is 1
_NOISE_OFFSETS = 1 << 16

# Rows and entries: White, Black, Asian, Indian, Other.
_IRIS_LIGHT = np.array(
    [[0.36, 0.60, 0.78], [0.34, 0.20, 0.12], [0.34, 0.21, 0.13], [0.36, 0.22, 0.12], [0.48, 0.42, 0.22]],
    np.float32,
)
_IRIS_DARK = np.array(
    [[0.36, 0.46, 0.30], [0.20, 0.12, 0.08], [0.18, 0.11, 0.08], [0.22, 0.13, 0.08], [0.36, 0.24, 0.12]],
    np.float32,
)
_NOSE_WIDTH = np.array([0.082, 0.128, 0.098, 0.096, 0.102], np.float32)
_EYE_OPENING = np.array([1.0, 1.0, 0.70, 1.06, 0.94], np.float32)
_EYE_SLANT = np.array([0.02, 0.04, 0.17, 0.05, 0.03], np.float32)
_LIP_FULLNESS = np.array([0.86, 1.40, 1.0, 1.1, 1.0], np.float32)

_BACKGROUND = np.array(
    [[0.93, 0.63, 0.56], [0.93, 0.82, 0.56], [0.66, 0.83, 0.63], [0.56, 0.77, 0.90], [0.71, 0.63, 0.89]],
    np.float32,
)


def _draw_background(scene: Scene) -> None:
    position = scene.factors["background"] * (len(_BACKGROUND) - 1)
    stops = np.arange(len(_BACKGROUND))
    colour = np.stack([np.interp(position, stops, channel) for channel in _BACKGROUND.T], axis=1).astype(np.float32)
    frame = scene.body
    fall = 1.03 - (0.07 + 0.03 * scene.nuisance["vignette"]) * (frame.x**2 + (frame.y + 0.3) ** 2)
    np.multiply(tint(colour), fall, out=scene.canvas.pixels)


def _draw_body(scene: Scene) -> None:
    n, male = scene.nuisance, 1 - scene.female
    hue = np.pi * n["shirt_hue"][:, None] + np.array([0, 2.1, 4.2], np.float32)
    shirt = tint(0.47 + 0.16 * np.cos(hue)) + 0.14 * n["shirt_value"]
    wide = 0.80 - 0.20 * scene.youth + 0.10 * male * scene.adult
    neck = 0.18 - 0.03 * scene.youth + 0.045 * male * scene.adult
    rise = 0.15 * scene.youth
    patch = scene.body.patch(0.0, 1.22 - rise, wide, 0.50)
    scene.canvas.paint(patch, patch.ellipse(wide, 0.47), shirt * (1.06 - 0.5 * patch.x**2))
    low = 0.80 - rise + 0.06 * n["neckline"]
    collar = scene.body.patch(0.0, low, neck + 0.08, 0.13)
    scene.canvas.paint(collar, collar.ellipse(neck + 0.05, 0.115), shirt * 0.84)
    scene.canvas.paint(collar, collar.ellipse(neck + 0.02, 0.085), scene.skin * 0.88)
    patch = scene.body.patch(0.0, low - 0.2, neck, 0.2)
    under_chin = 0.88 - 0.36 * clip((low - 0.5 - patch.y) * 4 - 1.2)
    scene.canvas.paint(patch, patch.box(neck, 0.2), scene.skin * under_chin)


def _draw_ears(scene: Scene) -> None:
    tall = 0.105 + 0.035 * scene.life
    for side in (-1, 1):
        x = side * (scene.half_width + 0.012) - 0.10 * scene.yaw
        patch = scene.head.patch(x, scene.eye_y + 0.10, 0.085, 0.16)
        scene.canvas.paint(patch, patch.ellipse(0.075, tall), scene.skin * 0.93)
        scene.canvas.darken(patch, 0.15 * patch.ellipse(0.035, 0.6 * tall))


def _draw_head(scene: Scene) -> None:
    male = (1 - scene.female) * (0.35 + 0.65 * scene.adult)
    wide, high = scene.half_width, scene.half_height
    patch = scene.head.patch(0.0, 0.0, wide + 0.08, high)
    below = np.maximum(patch.y, 0) / high
    narrowing = 0.06 + 0.13 * scene.female * (1 - scene.youth) - 0.06 * scene.youth
    u = (patch.x - 0.14 * scene.yaw * below) / (wide * (1 - narrowing * below))
    v = patch.y / high
    radius = u**2 + v**2
    square = radius - 0.42 * male * u**2 * below**2
    turned = u - 0.5 * scene.yaw
    shade = 1.05 - 0.13 * turned**2 - 0.05 * turned - 0.07 * v - 0.06 * radius**2
    coverage = patch.edge((1 - np.sqrt(np.maximum(square, 0))) * wide)
    scene.canvas.paint(patch, coverage, scene.skin * shade)
    beard = 0.30 * (1 - scene.female) * scene.adult
    if not beard.any():
        return
    shadow = clip(2.6 * (below - 0.42)) * clip(2.2 * (radius - 0.10))
    scene.canvas.paint(patch, coverage * shadow * beard, mix(scene.skin * 0.55, scene.hair, 0.35))


def _draw_cheeks(scene: Scene) -> None:
    strength = 0.16 + 0.20 * scene.youth + 0.06 * scene.smile + 0.06 * scene.female
    blush = scene.skin * rgb(1.02, 0.72, 0.70)
    for side in (-1, 1):
        x, narrow = scene.place(0.62 * side, scene.eye_y + 0.23)
        patch = scene.head.patch(x, scene.eye_y + 0.23, 0.17, 0.13)
        scene.canvas.paint(patch, strength * patch.glow(0.17 * np.maximum(narrow, 0.3), 0.13), blush)


def _draw_eyes(scene: Scene) -> None:
    n = scene.nuisance
    iris = mix(scene.by_ethnicity(_IRIS_LIGHT), scene.by_ethnicity(_IRIS_DARK), (n["eye_tone"] + 1) / 2)
    lash = mix(scene.skin * 0.35, rgb(0.10, 0.07, 0.07), 0.5 + 0.5 * scene.female)
    width = (0.112 + 0.035 * scene.youth) * (1 + 0.03 * n["eye_size"])
    opening = (0.064 + 0.030 * scene.youth) * (1 - 0.22 * scene.life) * (1 - 0.10 * scene.smile)
    opening = opening * _EYE_OPENING[scene.ethnicity]
    disc, line = 0.052 + 0.020 * scene.youth, 0.011 + 0.011 * scene.female
    gaze = 0.012 * n["gaze"] + 0.03 * scene.yaw
    for side in (-1, 1):
        x, narrow = scene.place(side * scene.eye_angle, scene.eye_y)
        wide = width * narrow
        patch = scene.head.patch(x, scene.eye_y, 1.35 * wide, 0.14, -side * _EYE_SLANT[scene.ethnicity])
        white = patch.lens(wide, opening)
        iris_disc = patch.ellipse(disc * (0.4 + 0.6 * narrow), disc, gaze)
        pupil = patch.ellipse(0.5 * disc, 0.5 * disc, gaze)
        scene.canvas.darken(patch, 0.14 * patch.glow(1.35 * wide, 0.14))
        scene.canvas.paint(patch, white, rgb(0.98, 0.97, 0.96))
        scene.canvas.paint(patch, np.minimum(white, iris_disc), iris)
        scene.canvas.paint(patch, np.minimum(white, pupil), rgb(0.05, 0.04, 0.05))
        scene.canvas.paint(patch, patch.lens(1.1 * wide, line, -opening - 0.3 * line), lash)
        scene.canvas.darken(patch, 0.3 * patch.lens(wide, 0.007, opening))
        scene.canvas.paint(patch, 0.95 * patch.ellipse(0.021, 0.021, gaze - 0.02, -0.022), rgb(1, 1, 1))
        if scene.female.any():
            tip = scene.head.patch(x + side * (wide + 0.015), scene.eye_y - 0.035, 0.05, 0.02, -0.55 * side)
            scene.canvas.paint(tip, scene.female * tip.lens(0.05, 0.016), lash)


def _draw_brows(scene: Scene) -> None:
    male = 1 - scene.female
    thick = (0.018 + 0.022 * male) * (1 - 0.45 * scene.youth)
    arch = -(0.018 + 0.035 * scene.female)
    colour = mix(scene.hair * 0.72, scene.skin * 0.6, 0.12 + 0.4 * scene.youth)
    y = scene.eye_y - 0.150 - 0.02 * scene.youth + 0.008 * scene.nuisance["brow_height"]
    for side in (-1, 1):
        x, narrow = scene.place(side * (scene.eye_angle + 0.02), y)
        wide = 0.135 * narrow
        patch = scene.head.patch(x, y, wide, 0.1, 0.06 * side)
        scene.canvas.paint(patch, patch.lens(wide, thick, arch), colour)


def _draw_nose(scene: Scene) -> None:
    size = (0.72 + 0.28 * (1 - scene.youth) + 0.10 * scene.life) * (1 + 0.04 * scene.nuisance["nose_size"])
    wide = _NOSE_WIDTH[scene.ethnicity] * size
    y = 0.185 + 0.05 * scene.youth
    x, narrow = scene.place(0.0, y)
    x, wide = 1.12 * x, wide * narrow
    light = mix(scene.skin, rgb(1, 1, 1), 0.35)
    bridge = scene.head.patch(x - 0.03, y - 0.14, 0.05, 0.18)
    scene.canvas.paint(bridge, 0.35 * bridge.glow(0.05, 0.18), light)
    patch = scene.head.patch(x, y, 0.19, 0.11)
    scene.canvas.darken(patch, 0.09 * patch.glow(wide * 1.35, 0.085))
    scene.canvas.darken(patch, 0.27 * patch.lens(wide, 0.020, 0.045))
    for side in (-1, 1):
        nostril = patch.ellipse(0.25 * wide, 0.017, 0.50 * side * wide, 0.028)
        scene.canvas.darken(patch, 0.46 * nostril)
    tip = scene.head.patch(x - 0.015, y - 0.025, 0.06, 0.05)
    scene.canvas.paint(tip, 0.5 * tip.glow(0.06, 0.05), light)


def _draw_mouth(scene: Scene) -> None:
    x, narrow = scene.place(0.0, scene.mouth_y)
    wide = (0.165 - 0.045 * scene.youth + 0.050 * scene.smile) * (1 + 0.04 * scene.nuisance["mouth_width"]) * narrow
    full = (0.030 + 0.012 * scene.female) * _LIP_FULLNESS[scene.ethnicity] * (1 - 0.30 * scene.life)
    natural = scene.skin * rgb(0.88, 0.66, 0.64)
    lips = mix(natural, mix(natural, rgb(0.80, 0.24, 0.32), 0.62), scene.female)
    gap = 0.036 * scene.smile
    bow = 0.014 + 0.056 * scene.smile
    patch = scene.head.patch(x, scene.mouth_y - 0.02 * scene.smile, wide, 0.17)
    scene.canvas.paint(patch, patch.lens(wide, full + gap, bow), lips)
    scene.canvas.darken(patch, 0.58 * patch.lens(0.9 * wide, 0.009 + gap, bow))
    scene.canvas.paint(patch, scene.smile * patch.lens(0.84 * wide, gap, bow - 0.008), rgb(0.99, 0.98, 0.96))
    below = scene.head.patch(x, scene.mouth_y + 0.11, 0.10, 0.04)
    scene.canvas.darken(below, 0.10 * below.glow(0.10, 0.04))


def _draw_wrinkles(scene: Scene) -> None:
    age = scene.factors["age"] + 2 * scene.nuisance["wrinkling"]

    def stroke(angle: Scalar, y: Scalar, length: float, onset: int, turn: float, bow: float) -> None:
        x, narrow = scene.place(angle, y)
        visible = clip(2.5 * np.cos(angle + scene.yaw) - 0.6)
        strength = visible * clip((age - onset) / (100 - onset))
        patch = scene.head.patch(x, y, length, 0.05, turn)
        wide = length * np.clip(narrow, 0.5, 1.2)
        scene.canvas.darken(patch, 0.36 * strength * patch.lens(wide, 0.016, bow))

    for row, onset in enumerate((22, 34, 46)):
        stroke(0.0, scene.eye_y - 0.235 - 0.055 * row, 0.22 - 0.02 * row, onset, 0.0, -0.018)
    for side in (-1, 1):
        stroke(0.40 * side, 0.315, 0.125, 12, side * 1.0, -0.022)
        stroke(scene.eye_angle * side, scene.eye_y + 0.105, 0.095, 18, 0.0, 0.026)
        for row in (-1, 1):
            stroke((scene.eye_angle + 0.36) * side, scene.eye_y + 0.035 * row, 0.055, 30, side * 0.4 * row, 0.0)


def _draw_glasses(scene: Scene) -> None:
    worn = scene.factors["glasses"]
    if not worn.any():
        return
    ink, y = rgb(0.12, 0.11, 0.14), scene.eye_y + 0.01
    for side in (-1, 1):
        x, narrow = scene.place(side * (scene.eye_angle + 0.02), y)
        wide = 0.185 * narrow
        patch = scene.head.patch(x, y, wide, 0.155)
        outer, inner = patch.ellipse(wide, 0.155), patch.ellipse(wide - 0.034, 0.121)
        scene.canvas.paint(patch, worn * (0.92 * outer - 0.84 * inner), ink)
        near, far = x + side * (wide - 0.02), side * scene.half_width
        length = np.maximum(side * (far - near), 0) / 2
        arm = scene.head.patch((near + far) / 2, y - 0.03, length, 0.02)
        scene.canvas.paint(arm, worn * arm.box(length, 0.016), ink)
    x, _ = scene.place(0.0, y)
    bridge = scene.head.patch(1.05 * x, y - 0.03, 0.06, 0.05)
    scene.canvas.paint(bridge, worn * bridge.lens(0.06, 0.02, -0.02), ink)


_LAYERS = (
    *(_draw_background, draw_back_hair, _draw_body, _draw_ears, _draw_head, _draw_cheeks, _draw_wrinkles),
    *(_draw_eyes, _draw_nose, _draw_mouth, _draw_brows, _draw_glasses, draw_front_hair),
)


def render(factors: Mapping[str, np.ndarray], seed: int, size: int) -> np.ndarray:
    """Draws checked factors, each float32 [count], to uint8 [count, size, size, 3]."""
    count = len(factors["age"])
    nuisance_seed, noise_seed = np.random.SeedSequence(seed).spawn(2)
    nuisance = 2 * np.random.default_rng(nuisance_seed).random((count, len(NUISANCES)), np.float32) - 1
    noise = np.random.default_rng(noise_seed).standard_normal(_NOISE_OFFSETS + 3 * size**2, np.float32)
    noise *= 255 * _NOISE_LEVEL
    pictures = np.empty((count, size, size, 3), np.uint8)
    # glibc keeps what is freed up to twice the largest block freed so far. Before a large one, the
    # temporaries are mapped and unmapped each time, and page faults cost a third of the speed.
    np.empty(_KEPT_MEMORY, np.uint8)
    for chunk in _chunks(factors, max(1, _PIXELS_PER_CHUNK // size**2)):
        chosen = {name: values[chunk] for name, values in factors.items()}
        chance = {name: nuisance[chunk, i] for i, name in enumerate(NUISANCES)}
        scene = Scene(chosen, chance, size)
        for draw in _LAYERS:
            draw(scene)
        pictures[chunk] = _exposed(scene, noise)
    return pictures


def _chunks(factors: Mapping[str, np.ndarray], length: int) -> Iterator[np.ndarray]:
    """Indices of similar faces: their windows are small, and layers that none of them has are skipped."""
    order = np.lexsort([factors[name] for name in ("pose", "gender", "glasses", "hair")])
    return (order[start : start + length] for start in range(0, len(order), length))


def _exposed(scene: Scene, noise: np.ndarray) -> np.ndarray:
    """The scene under its light, with camera noise: uint8 [batch, size, size, 3]."""
    pixels = scene.canvas.pixels
    pixels *= 255 * (0.54 + 0.49 * scene.factors["brightness"])
    pictures = np.ascontiguousarray(pixels.transpose(3, 1, 2, 0))
    offsets = (scene.nuisance["noise"] + 1) * (_NOISE_OFFSETS // 2 - 1)
    for picture, offset in zip(pictures, offsets.astype(int), strict=True):
        picture += noise[offset : offset + picture.size].reshape(picture.shape)
    pictures += 0.5
    return np.clip(pictures, 0, 255, out=pictures).astype(np.uint8)
