"""Face detection for `--crop=face`: the frontal detector that comes with OpenCV (extra [faces])."""

import threading
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from conceal_jax.data.pictures import BadPictureError

MARGIN = 1.5
"""The detector marks brows to chin; the crop is this much wider, so that it holds hair and chin."""

_LONGEST_SIDE = 640
"""Pictures are reduced to this before detection: more pixels cost time and give false faces."""

_LEAST_SHARE = 0.08
"""Detections narrower than this share of the shorter side are ignored: bystanders and false faces."""

_detectors = threading.local()
"""A detector serves one thread at a time."""


def face_box(picture: np.ndarray) -> tuple[int, int, int, int]:
    """The square around the one face of a picture.

    Args:
        picture: uint8 [H, W, 3] in RGB, upright.

    Returns:
        Left, top, right, bottom in pixels; the square is moved, or made smaller, where it would leave the picture.

    Raises:
        BadPictureError: the detector finds no face, or several.
        ValueError: OpenCV is not installed, or is a version without the detector.
    """
    faces = _find_faces(picture)
    if len(faces) != 1:
        found = f"{len(faces)} faces were" if faces else "no face was"
        raise BadPictureError(f"{found} found in the picture; exactly one is needed")
    height, width = picture.shape[:2]
    left, top, side = faces[0]
    wanted = round(min(MARGIN * side, width, height))
    centre = (left + side / 2, top + side / 2)
    x, y = (
        round(min(max(middle - wanted / 2, 0), length - wanted))
        for middle, length in zip(centre, (width, height), strict=True)
    )
    return x, y, x + wanted, y + wanted


def _find_faces(picture: np.ndarray) -> list[tuple[float, float, float]]:
    """Left, top and side in pixels of every face."""
    cv2 = _opencv()
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    scale = min(1.0, _LONGEST_SIDE / max(grey.shape))
    if scale < 1.0:
        grey = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    least = max(24, round(_LEAST_SHARE * min(grey.shape)))
    found = _detector().detectMultiScale(grey, scaleFactor=1.1, minNeighbors=6, minSize=(least, least))
    return [(x / scale, y / scale, side / scale) for x, y, side, _ in found]


def require_detector() -> None:
    """Raises ValueError where the detector is missing, before a long job begins."""
    _detector()


def _detector() -> Any:
    if not hasattr(_detectors, "detector"):
        cv2 = _opencv()
        file = Path(cv2.data.haarcascades) / "haarcascade_frontalface_default.xml"
        _detectors.detector = cv2.CascadeClassifier(str(file))
    return _detectors.detector


def _opencv() -> Any:
    try:
        cv2 = import_module("cv2")
        # Version 5 no longer has it.
        if hasattr(cv2, "CascadeClassifier"):
            return cv2
        raise ImportError("this version has no CascadeClassifier")
    except ImportError as error:
        raise ValueError(
            "finding faces needs OpenCV 4: pip install 'conceal_jax[faces]', or choose --crop=center for photos that "
            "show little but a face"
        ) from error
