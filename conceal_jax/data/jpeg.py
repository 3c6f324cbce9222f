"""JPEGs decoded without Pillow's own parser, which takes longer than decoding where pictures are small."""

import struct

from PIL import Image

_FRAMES = frozenset((0xC0, 0xC1, 0xC2))
"""Baseline, extended and progressive."""

_PASSED_OVER = frozenset((0xC4, 0xDB, 0xDD, 0xE0))
"""Tables, and the JFIF segment."""

_SCAN = 0xDA
_SEGMENT = struct.Struct(">BBHBHHB")
"""Of a frame: 255, marker, length, bits, height, width, components; of others, the first three."""


def plain_jpeg(content: bytes, max_pixels: int) -> Image.Image | None:
    """The pixels of a JPEG that says nothing else of itself, as Pillow's `Image.open` gives them.

    Args:
        content: a file.
        max_pixels: above which nothing is decoded.

    Returns:
        A picture in RGB. None if the file is none, is damaged, grey or in colours of print, or has a segment that might
        matter, such as EXIF or a colour profile.
    """
    size = _plain_size(content)
    if size is None or not 0 < size[0] * size[1] <= max_pixels:
        return None
    try:
        return Image.frombytes("RGB", size, content, "jpeg", "RGB", "")
    except (ValueError, OSError):
        return None


def _plain_size(content: bytes) -> tuple[int, int] | None:
    """Width and height, by the segments before the first scan (ITU-T T.81, B.1.1.4 and B.2.2)."""
    if not content.startswith(b"\xff\xd8\xff"):
        return None
    start, size = 2, None
    while start + _SEGMENT.size <= len(content):
        escape, marker, length, bits, height, width, components = _SEGMENT.unpack_from(content, start)
        if escape != 0xFF:
            return None
        if marker == _SCAN:
            return size
        if marker in _FRAMES:
            if size or bits != 8 or components != 3:
                return None
            size = width, height
        elif marker not in _PASSED_OVER:
            return None
        start += 2 + length
    return None
