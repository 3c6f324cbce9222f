import importlib.util

import numpy as np
import pytest
from PIL import Image

from conceal_jax.data.pictures import BadPictureError
from conceal_jax.release.faces import face_box, require_detector
from conceal_jax.release.photos import read_photo, write_picture
from tests.release.photographs import FACES, RUBBISH, saved

HAS_OPENCV = importlib.util.find_spec("cv2") is not None
FOUND = FACES[1]
"""The detector was made for photographs; this drawn face it finds too."""


@pytest.mark.parametrize(("content", "reason"), RUBBISH.values(), ids=RUBBISH)
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_rubbish_has_its_reason(content, reason):
    with pytest.raises(BadPictureError, match=reason):
        read_photo(content, 32, "center")


def test_sixteen_bits_of_colour_are_told():
    # Pillow cannot write them: a grey file's header is changed to colour, and its data made anew.
    import struct
    import zlib

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    rows = b"".join(b"\0" + bytes(6 * 20) for _ in range(20))
    header = struct.pack(">IIBBBBB", 20, 20, 16, 2, 0, 0, 0)
    content = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    with pytest.raises(BadPictureError, match="16 bits"):
        read_photo(content, 32, "center")


@pytest.mark.parametrize("mode", ["L", "RGBA", "P"])
def test_grey_transparent_and_palette_pictures_are_read(mode):
    content = saved(Image.fromarray(FACES[0]).convert(mode), "PNG")
    assert read_photo(content, 32, "center").shape == (32, 32, 3)


def test_the_orientation_is_applied():
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn clockwise to be upright
    content = saved(FACES[0], quality=95, exif=exif)
    turned = np.rot90(read_photo(saved(FACES[0], quality=95), 64, "none"), -1)
    np.testing.assert_array_equal(read_photo(content, 64, "none"), turned)


def test_pictures_are_written_as_pixels_alone(tmp_path):
    path = tmp_path / "deep" / "name.png"
    write_picture(path, FACES[0])
    np.testing.assert_array_equal(np.asarray(Image.open(path)), FACES[0])
    assert [entry.name for entry in path.parent.iterdir()] == ["name.png"]
    content, chunks, at = path.read_bytes(), [], 8
    while at < len(content):
        chunks.append(content[at + 4 : at + 8])
        at += 12 + int.from_bytes(content[at : at + 4])
    assert set(chunks) == {b"IHDR", b"IDAT", b"IEND"}


@pytest.mark.skipif(not HAS_OPENCV, reason="OpenCV is not installed")
def test_the_one_face_is_cut_out():
    canvas = np.full((400, 600, 3), 127, np.uint8)
    canvas[40:296, 200:456] = np.asarray(Image.fromarray(FOUND).resize((256, 256)))
    left, top, right, bottom = face_box(canvas)
    assert right - left == bottom - top
    assert 160 < (left + right) / 2 - 168 < 320
    assert 0 <= top < bottom <= 400
    assert 128 < bottom - top < 400
    expected = Image.fromarray(canvas).resize((32, 32), Image.Resampling.BILINEAR, (left, top, right, bottom))
    np.testing.assert_array_equal(read_photo(saved(canvas, "PNG"), 32, "face"), np.asarray(expected))


@pytest.mark.skipif(not HAS_OPENCV, reason="OpenCV is not installed")
def test_no_face_and_two_faces_are_not_guessed():
    large = np.asarray(Image.fromarray(FOUND).resize((256, 256)))
    with pytest.raises(BadPictureError, match="no face was found"):
        read_photo(saved(np.full((300, 300, 3), 127, np.uint8)), 32, "face")
    with pytest.raises(BadPictureError, match="2 faces were found"):
        read_photo(saved(np.concatenate([large, large], axis=1)), 32, "face")


@pytest.mark.skipif(HAS_OPENCV, reason="OpenCV is installed")
def test_without_opencv_the_extra_is_named():
    with pytest.raises(ValueError, match=r"conceal_jax\[faces\]"):
        require_detector()


def test_a_picture_may_have_as_long_a_name_as_a_file_can(tmp_path):
    path = tmp_path / f"{'x' * 251}.png"
    write_picture(path, np.zeros((32, 32, 3), np.uint8))
    assert list(tmp_path.iterdir()) == [path]
