"""The noise of codes, keyed by a secret and the photo.

The mean of m codes of one photo with fresh noise leaks far more than each of them. Noise that is a function of a secret
and of the photo's pixels gives each photo one code, however often it is encoded.
"""

import hashlib
import hmac

import numpy as np
from scipy.special import ndtri

MIN_KEY_BYTES = 16


def check_key(key: object) -> bytes:
    """The key, if it is long enough to be a secret.

    Raises:
        ValueError: it is not.
    """
    if not isinstance(key, bytes) or len(key) < MIN_KEY_BYTES:
        got = f"{len(key)} bytes" if isinstance(key, bytes) else type(key).__name__
        raise ValueError(
            f"got a secret key of {got}; give {MIN_KEY_BYTES} random bytes or more, such as those of "
            "secrets.token_bytes(32), and keep them as long as codes are made"
        )
    return key


def photo_noise(pictures: np.ndarray, key: bytes, dimension: int) -> np.ndarray:
    """Draws from N(0, I) that are a function of the key and of each picture's pixels.

    The seed is HMAC-SHA256 (RFC 2104) of the pixels, expanded by SHAKE-256 (FIPS 202) to 32 bits a dimension, which the
    normal quantile function maps to a draw.

    Args:
        pictures: uint8 [N, S, S, 3].
        key: the secret.
        dimension: of a code.

    Returns:
        float32 [N, dimension].
    """
    seeds = (hmac.digest(key, b"noise" + picture.tobytes(), "sha256") for picture in pictures)
    stream = b"".join(hashlib.shake_256(seed).digest(4 * dimension) for seed in seeds)
    words = np.frombuffer(stream, "<u4").reshape(len(pictures), dimension)
    return ndtri((words + 0.5) / 2.0**32).astype(np.float32)
