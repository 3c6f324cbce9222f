import numpy as np
import pytest
from scipy import stats

from conceal_jax.release.noise import check_key, photo_noise

KEY = bytes(range(16))
PICTURES = np.random.default_rng(0).integers(0, 256, (500, 4, 4, 3), np.uint8)


def test_noise_is_standard_normal():
    noise = photo_noise(PICTURES, KEY, 40)
    assert (noise.dtype, noise.shape) == (np.float32, (500, 40))
    assert stats.kstest(noise.ravel(), "norm").pvalue > 0.01
    correlations = np.corrcoef(noise.T)[~np.eye(40, dtype=bool)]
    assert np.abs(correlations).max() < 5 / np.sqrt(500)


def test_noise_depends_on_the_pixels_and_the_key_alone():
    noise = photo_noise(PICTURES, KEY, 8)
    np.testing.assert_array_equal(photo_noise(PICTURES[::-1], KEY, 8), noise[::-1])
    np.testing.assert_array_equal(photo_noise(PICTURES, KEY, 5), noise[:, :5])
    touched = PICTURES.copy()
    touched[:, 0, 0, 0] ^= 1
    for other in (photo_noise(touched, KEY, 8), photo_noise(PICTURES, KEY[::-1], 8)):
        assert abs(np.corrcoef(noise.ravel(), other.ravel())[0, 1]) < 0.1


@pytest.mark.parametrize("key", [b"", b"123456789012345", "a text of sixteen letters"])
def test_what_is_no_secret_is_refused(key):
    with pytest.raises(ValueError, match="16 random bytes or more"):
        check_key(key)
