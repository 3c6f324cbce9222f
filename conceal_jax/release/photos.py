"""Decodes photo files to the square arrays that the encoder reads; ambiguous photos are refused.

The first step from a photo to its code; the next is `Concealer.encode`.
"""

import os
import threading
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from conceal_jax.data.pictures import BadPictureError, resized, to_square, upright, with_picture
from conceal_jax.release.faces import face_box

Crop = Literal["none", "center", "face"]

MIN_SIDE = 16
"""Side in pixels below which a picture is refused."""

_READABLE_MODES = ("RGB", "RGBA", "RGBX", "L", "LA", "P", "PA", "1")


def read_photo(content: bytes, size: int, crop: Crop) -> np.ndarray:
    """Decodes a photo file, upright, and nothing but its pixels.

    Args:
        content: JPEG, PNG or any other format that Pillow reads.
        size: side in pixels of the result.
        crop: "center" cuts the longer side, "none" squeezes it, "face" finds the one face.

    Returns:
        uint8 [size, size, 3] in RGB.

    Raises:
        BadPictureError: the file is empty, not a picture, damaged, too small or too large, animated, of 16 bits a
            channel or in CMYK, or does not show exactly one face where "face" is given.
        ValueError: "face" without the extra [faces].
    """

    def square(picture: Image.Image) -> np.ndarray:
        _require_photo(picture)
        if crop != "face":
            return to_square(picture, size, crop)
        whole = upright(picture)
        return resized(whole, size, face_box(np.asarray(whole)))

    return with_picture(content, square)


def _require_photo(picture: Image.Image) -> None:
    if min(picture.size) < MIN_SIDE:
        raise BadPictureError(f"the picture has {picture.width}x{picture.height} pixels; {MIN_SIDE} a side are needed")
    # An MPO file is a photo with a second view of it; every viewer shows the first.
    if getattr(picture, "is_animated", False) and picture.format != "MPO":
        raise BadPictureError("the picture has several frames; save the one that is meant")
    # Pillow reads 16 bits of colour as 8; only the name of the raw mode shows it.
    if picture.mode.startswith("I") or any(";16" in str(tile[3]) for tile in getattr(picture, "tile", ())):
        raise BadPictureError("the picture has 16 bits a channel; save it with 8")
    if picture.mode not in _READABLE_MODES:
        raise BadPictureError(f"the picture is {picture.mode}, whose colours depend on a profile; save it as RGB")


def write_picture(path: Path, picture: np.ndarray) -> None:
    """Writes uint8 [S, S, 3] as a PNG of pixels and nothing else; the file is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not called like the file: its name may be as long as a name can be.
    partial = path.with_name(f".{threading.get_ident():x}.{os.getpid()}.partial")
    Image.fromarray(picture).save(partial, "PNG", compress_level=1)
    partial.replace(path)
