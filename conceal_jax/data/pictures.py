"""Decodes picture files to square uint8 RGB arrays; the one decoder of every data path."""

import io
import struct
import zlib
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from conceal_jax.data.archive import UnreadableFileError
from conceal_jax.data.collection import Collection

MAX_PIXELS = 80_000_000
MAX_SCANS = 100
"""Of a progressive JPEG. Encoders write about ten; each one passes over the whole picture, and thousands fit in."""

FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "GIF", "TIFF")
"""Those of `PICTURE_SUFFIXES`. Pillow knows many more, and starts another program (Ghostscript) for one of them."""

_START_OF_SCAN = b"\xff\xda"
_DECODER_ERRORS = (
    OSError,
    ValueError,
    TypeError,
    SyntaxError,
    EOFError,
    ArithmeticError,
    LookupError,
    AttributeError,
    RuntimeError,
    MemoryError,
    struct.error,
    zlib.error,
)
"""What Pillow's plug-ins raise on damaged files."""


class BadPictureError(ValueError):
    """A file is not a usable picture; the message is the reason."""


def decode_picture(content: bytes, size: int, crop: str) -> np.ndarray:
    """Decodes a file to uint8 [size, size, 3].

    The orientation noted by the camera is applied; grey, palette and transparent pictures become RGB (black shows
    through transparent parts).

    Args:
        content: in one of `FORMATS`.
        size: side in pixels.
        crop: "center" cuts the longer side, "none" squeezes it.

    Raises:
        BadPictureError: empty, not a picture, damaged, truncated, or of more than `MAX_PIXELS` pixels.
    """
    return with_picture(content, lambda picture: to_square(picture, size, crop))


def with_picture(content: bytes, use: Callable[[Image.Image], np.ndarray]) -> np.ndarray:
    """Applies a function to a file opened as a picture, which decodes its pixels only when they are used.

    Raises:
        BadPictureError: of `use`, or the file is empty, not a picture, damaged, truncated, or far too large.
    """
    if not content:
        raise BadPictureError("the file is empty (zero bytes)")
    if content.count(_START_OF_SCAN) > MAX_SCANS and content.startswith(b"\xff\xd8"):
        raise BadPictureError(f"the JPEG has more than {MAX_SCANS} scans, as no camera writes")
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as picture:
            return use(picture)
    except BadPictureError:
        raise
    except UnidentifiedImageError:
        raise BadPictureError("the file is not a picture, whatever its name says") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise BadPictureError(f"the picture has more than {MAX_PIXELS:,} pixels") from error
    except _DECODER_ERRORS as error:
        raise BadPictureError(f"the picture is damaged or truncated ({error})") from error


def to_square(picture: Image.Image, size: int, crop: str) -> np.ndarray:
    """uint8 [size, size, 3] of an opened picture; see `decode_picture`."""
    picture = upright(picture)
    box = _center_box(picture.width, picture.height) if crop == "center" else None
    return resized(picture, size, box)


def upright(picture: Image.Image) -> Image.Image:
    """An opened picture as RGB, turned by its EXIF orientation.

    Raises:
        BadPictureError: it has more than `MAX_PIXELS` pixels.
    """
    if picture.width * picture.height > MAX_PIXELS:
        raise BadPictureError(f"the picture has more than {MAX_PIXELS:,} pixels")
    ImageOps.exif_transpose(picture, in_place=True)
    return picture if picture.mode == "RGB" else _to_rgb(picture)


def resized(picture: Image.Image, size: int, box: tuple[int, int, int, int] | None) -> np.ndarray:
    """uint8 [size, size, 3] of a box (left, top, right, bottom; all of it if None) of an RGB picture."""
    if picture.size != (size, size) or box not in (None, (0, 0, size, size)):
        picture = picture.resize((size, size), Image.Resampling.BILINEAR, box)
    return np.asarray(picture)


def _to_rgb(picture: Image.Image) -> Image.Image:
    if picture.mode == "F" or (picture.mode == "I" and picture.format != "PNG"):
        raise BadPictureError("the picture has 32 bits a channel, of an unknown scale; save it with 8")
    if picture.mode.startswith("I"):  # 16 bits of grey, which Pillow would clip at 255
        return Image.fromarray((np.asarray(picture) // 257).clip(0, 255).astype(np.uint8)).convert("RGB")
    if picture.has_transparency_data:
        opaque = Image.new("RGBA", picture.size, "black")
        return Image.alpha_composite(opaque, picture.convert("RGBA")).convert("RGB")
    return picture.convert("RGB")


def _center_box(width: int, height: int) -> tuple[int, int, int, int]:
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    return left, top, left + side, top + side


def read_pictures(
    collection: Collection, indices: Sequence[int] | np.ndarray, size: int, crop: str
) -> tuple[np.ndarray, np.ndarray]:
    """The pictures at some indices.

    Returns:
        uint8 [N, size, size, 3] and bool [N]: False, with a black picture and an entry in the collection's report,
        where it cannot be decoded.
    """
    images = np.zeros((len(indices), size, size, 3), np.uint8)
    valid = np.ones(len(indices), bool)
    for row, index in enumerate(indices):
        try:
            content = collection.read(int(index))
            if isinstance(content, bytes):
                images[row] = decode_picture(content, size, crop)
            else:
                images[row] = to_square(Image.fromarray(content), size, crop)
        except (UnreadableFileError, BadPictureError) as error:
            valid[row] = False
            collection.report.skip(str(collection.names[index]), str(error))
    return images, valid
