import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from conceal_jax.data import pictures
from conceal_jax.data.pictures import BadPictureError, decode_picture
from tests.data.conftest import encode

RAMP = np.add.outer(np.arange(0, 128, 4), np.arange(0, 128, 4)).astype(np.uint8)
COLOURS = np.stack([RAMP, RAMP.T // 2, 255 - RAMP], axis=-1)


def saved(array: np.ndarray, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, kind, **options)
    return buffer.getvalue()


def test_a_picture_of_the_right_size_is_not_touched() -> None:
    np.testing.assert_array_equal(decode_picture(saved(COLOURS), 32, "center"), COLOURS)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"this is text, called .jpg", "not a picture"),
        (encode(0)[:-200], "truncated"),
        (encode(0, "PNG")[:-100], "truncated"),
        (saved(COLOURS)[:20], "not a picture|truncated"),
    ],
)
def test_bad_files_give_their_reason(content: bytes, reason: str) -> None:
    with pytest.raises(BadPictureError, match=reason):
        decode_picture(content, 32, "center")


def test_a_picture_with_too_many_pixels_is_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    content = saved(COLOURS)
    monkeypatch.setattr(pictures, "MAX_PIXELS", 1000)
    with pytest.raises(BadPictureError, match="more than 1,000 pixels"):
        decode_picture(content, 32, "center")
    with pytest.raises(BadPictureError, match="pixels"):
        decode_picture(saved(np.zeros((1, 1), np.uint8)).replace(*_header(20000, 20000)), 32, "center")


def _header(width: int, height: int) -> tuple[bytes, bytes]:
    """The start of a PNG header of 1x1, and that of another size with its checksum."""
    import zlib

    def chunk(w: int, h: int) -> bytes:
        body = b"IHDR" + w.to_bytes(4) + h.to_bytes(4) + bytes([8, 0, 0, 0, 0])
        return body + zlib.crc32(body).to_bytes(4)

    return chunk(1, 1), chunk(width, height)


def test_the_camera_orientation_is_applied() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rows run from the right side
    turned = decode_picture(saved(COLOURS, exif=exif), 32, "center")
    np.testing.assert_array_equal(turned, np.rot90(COLOURS, -1))


def test_grey_palette_transparent_and_deep_pictures_become_rgb() -> None:
    grey = decode_picture(saved(RAMP), 32, "center")
    np.testing.assert_array_equal(grey, np.repeat(RAMP[..., None], 3, axis=-1))
    deep = decode_picture(saved(RAMP.astype(np.uint16) * 257), 32, "center")
    np.testing.assert_array_equal(deep, grey)
    alpha = np.where(RAMP > 100, 255, 0).astype(np.uint8)
    transparent = decode_picture(saved(np.dstack([COLOURS, alpha])), 32, "center")
    np.testing.assert_array_equal(transparent, np.where(alpha[..., None] > 0, COLOURS, 0))


def test_crop_cuts_the_longer_side_and_none_squeezes_it() -> None:
    wide = np.zeros((32, 64, 3), np.uint8)
    wide[:, 16:48] = COLOURS
    np.testing.assert_array_equal(decode_picture(saved(wide), 32, "center"), COLOURS)
    squeezed = decode_picture(saved(wide), 32, "none")
    assert not squeezed[:, :7].any()
    assert squeezed[:, 9:23].any(axis=-1).all()


def test_shrinking_averages_what_it_covers() -> None:
    checkers = np.indices((128, 128)).sum(axis=0) % 2 * 255
    small = decode_picture(saved(checkers.astype(np.uint8)), 32, "center")
    assert np.abs(small.astype(int) - 127).max() <= 1


@pytest.mark.parametrize("kind", [np.float32, np.int32])
def test_pictures_of_an_unknown_scale_are_refused(kind: type) -> None:
    buffer = io.BytesIO()
    Image.fromarray(np.linspace(0, 1, 64 * 64).reshape(64, 64).astype(kind)).save(buffer, "TIFF")
    with pytest.raises(BadPictureError, match="32 bits a channel"):
        decode_picture(buffer.getvalue(), 32, "none")
