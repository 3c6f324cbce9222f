"""Appearance of known colours."""

import numpy as np
import pytest

from conceal_jax.attributes import AttributeSet, Categorical
from conceal_jax.attributes.appearance import APPEARANCE, appearance
from conceal_jax.audit.targets import targets_of

SIZE = 32


@pytest.mark.parametrize(
    ("colour", "expected"),
    [
        ((255, 255, 255), (1, 0, 0)),
        ((0, 0, 0), (0, 0, 0)),
        ((255, 0, 0), (0.299, 1, -0.5)),
        ((0, 255, 0), (0.587, -1, -0.5)),
        ((0, 0, 255), (0.114, 0, 1)),
        ((255, 255, 0), (0.886, 0, -1)),
    ],
)
def test_appearance_of_plain_colours(colour, expected):
    measured = appearance(np.full((2, SIZE, SIZE, 3), colour, np.uint8))
    assert [spec.name for spec in APPEARANCE] == list(measured)
    for spec, value in zip(APPEARANCE, expected, strict=True):
        assert measured[spec.name].dtype == np.float32
        np.testing.assert_allclose(measured[spec.name], value, atol=1e-6)
        assert np.all((spec.low <= measured[spec.name]) & (measured[spec.name] <= spec.high))


def test_appearance_is_the_mean_over_the_picture():
    picture = np.zeros((1, SIZE, SIZE, 3), np.uint8)
    picture[:, : SIZE // 4] = 255
    assert appearance(picture)["luminance"][0] == pytest.approx(0.25)


def test_appearance_can_be_asked_about():
    pictures = np.random.default_rng(0).integers(0, 256, (7, SIZE, SIZE, 3), np.uint8)
    attributes = AttributeSet((Categorical("gender", ("male", "female")),), APPEARANCE)
    targets = targets_of(attributes, {"gender": np.zeros(7, np.int32), **appearance(pictures)})
    assert targets["red_green:value"].known.all()
