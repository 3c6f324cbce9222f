"""Pictures in rows and columns, read back as pixels."""

import numpy as np
import pytest

from conceal_jax.plots.grids import PictureGrid, picture_grid
from tests.plots.pixels import contains, pixels


@pytest.mark.parametrize("labels", [((), ()), (("original", "concealed"), ("a", "b", "a long name of a column"))])
def test_grid_shows_every_pixel_as_an_equal_square(labels):
    pictures = np.random.default_rng(0).integers(0, 256, (2, 3, 64, 64, 3), dtype=np.uint8)
    image = pixels(picture_grid(PictureGrid(pictures, *labels)))
    for picture in pictures.reshape(6, 64, 64, 3):
        assert contains(image, picture.repeat(2, axis=0).repeat(2, axis=1))


def test_equal_grids_give_equal_bytes():
    grid = PictureGrid(np.zeros((1, 2, 32, 32, 3), np.uint8), ("row",), ("a", "b"))
    assert picture_grid(grid) == picture_grid(grid)


def test_labels_that_do_not_match_the_grid_are_refused():
    pictures = np.zeros((2, 3, 32, 32, 3), np.uint8)
    with pytest.raises(ValueError, match="got 1 labels for 2 rows"):
        PictureGrid(pictures, row_labels=("one",))
    with pytest.raises(ValueError, match="give uint8"):
        PictureGrid(pictures.astype(np.float32))


def test_dollar_signs_in_labels_are_no_formulas():
    assert picture_grid(PictureGrid(np.zeros((1, 1, 32, 32, 3), np.uint8), (r"$\a$",), (r"$\b$",)))
