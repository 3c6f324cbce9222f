import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from conceal_jax.data.jpeg import plain_jpeg
from conceal_jax.data.pictures import BadPictureError, decode_picture

LIMIT = 10_000


def jpeg(seed=0, size=(24, 17), mode="RGB", **settings):
    smooth = np.random.default_rng(seed).integers(0, 256, (3, 4, 3), np.uint8)
    picture = Image.fromarray(smooth).resize(size, Image.Resampling.BICUBIC).convert(mode)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", **settings)
    return buffer.getvalue()


def by_pillow(content):
    with Image.open(io.BytesIO(content)) as picture:
        return np.asarray(picture)


@given(
    seed=st.integers(0, 99),
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    quality=st.integers(1, 100),
    subsampling=st.integers(0, 2),
    progressive=st.booleans(),
    restart_marker_blocks=st.integers(0, 2),
)
def test_pixels_are_those_of_pillows_open(seed, size, **settings):
    content = jpeg(seed, size, **settings)
    np.testing.assert_array_equal(np.asarray(plain_jpeg(content, LIMIT)), by_pillow(content))


def turned():
    exif = Image.Exif()
    exif[0x0112] = 6
    return jpeg(exif=exif)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xd8\xff",
        b"\xff\xd8\xff\xe0" + bytes(20),
        jpeg()[:-60],
        jpeg(mode="L"),
        jpeg(mode="CMYK"),
        turned(),
        jpeg(icc_profile=b"profile"),
        jpeg(size=(101, 100)),
    ],
    ids=["empty", "start", "nothing in it", "truncated", "grey", "cmyk", "exif", "profile", "too large"],
)
def test_all_else_is_left_to_pillow(content):
    assert plain_jpeg(content, LIMIT) is None


def result(content, plain):
    """Pixels or the reason there are none, with and without the short way."""
    with pytest.MonkeyPatch.context() as patch:
        if not plain:
            patch.setattr("conceal_jax.data.pictures.plain_jpeg", lambda content, max_pixels: None)
        try:
            return decode_picture(content, 16, "center").tobytes()
        except BadPictureError as error:
            return str(error)


@given(
    st.integers(0, 3), st.lists(st.tuples(st.integers(2, 900), st.integers(0, 255)), max_size=3), st.integers(0, 900)
)
def test_damaged_files_are_judged_as_pillow_judges_them(seed, changes, length):
    content = bytearray(jpeg(seed, progressive=bool(seed % 2)))
    for place, value in changes:
        content[place % len(content)] = value
    damaged = bytes(content[: -length or None])
    assert result(damaged, plain=True) == result(damaged, plain=False)
