"""Photo files as they come: good ones, and rubbish."""

import io
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from conceal_jax.data.synthetic.factors import draw_factors, render_faces

FACES = render_faces(draw_factors(12, seed=0), seed=0, size=64)


def saved(picture: np.ndarray | Image.Image, kind: str = "JPEG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def huge_header() -> bytes:
    """A PNG of some hundred bytes that claims 60000 x 60000 pixels."""
    content = saved(FACES[0], "PNG")
    body = b"IHDR" + (60000).to_bytes(4) * 2 + content[24:29]
    return content[:12] + body + zlib.crc32(body).to_bytes(4) + content[33:]


def animation() -> bytes:
    first, second = (Image.fromarray(face) for face in FACES[:2])
    return saved(first, "GIF", save_all=True, append_images=[second])


RUBBISH = {
    "animated.gif": (animation(), "several frames"),
    "cmyk.jpg": (saved(Image.fromarray(FACES[0]).convert("CMYK")), "CMYK"),
    "deep.png": (saved(FACES[0][..., 0].astype(np.uint16) * 257, "PNG"), "16 bits"),
    "empty.jpg": (b"", "zero bytes"),
    "huge.png": (huge_header(), "more than 80,000,000 pixels"),
    "point.png": (saved(np.zeros((1, 1, 3), np.uint8), "PNG"), "1x1 pixels"),
    "text.jpg": (b"Dear Sir or Madam,\n", "not a picture"),
    "truncated.jpg": (saved(FACES[1])[:-300], "truncated"),
}
"""Content, and a part of the reason, by name."""


def write_album(folder: Path, count: int = 10) -> Path:
    """Good photos in two folders."""
    for index in range(count):
        path = folder / ("old", "new")[index % 2] / f"{20 + index}_{index % 2}_0_2017.jpg.chip.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(saved(np.roll(FACES[index % 12], index, axis=0)))
    return folder


def write_rubbish(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, (content, _) in RUBBISH.items():
        (folder / name).write_bytes(content)
    return folder
