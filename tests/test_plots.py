"""Plots, read back as pixels."""

import io
import subprocess
import sys
from collections.abc import Sequence

import numpy as np
import pytest
from PIL import Image

from conceal_jax import plots


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def contains(image: np.ndarray, block: np.ndarray) -> bool:
    """Whether `block` occurs somewhere in `image`, pixel for pixel."""
    windows = np.lib.stride_tricks.sliding_window_view(image, block.shape)[:, :, 0]
    corners = np.argwhere((windows[..., 0, 0, :] == block[0, 0]).all(-1))
    return any(np.array_equal(windows[y, x], block) for y, x in corners)


@pytest.mark.parametrize("labels", [((), ()), (("original", "concealed"), ("a", "b", "a long name of a column"))])
def test_grid_shows_every_pixel_as_an_equal_square(labels):
    pictures = np.random.default_rng(0).integers(0, 256, (2, 3, 64, 64, 3), dtype=np.uint8)
    image = pixels(plots.picture_grid(plots.PictureGrid(pictures, *labels)))
    for picture in pictures.reshape(6, 64, 64, 3):
        assert contains(image, picture.repeat(2, axis=0).repeat(2, axis=1))


def test_equal_grids_give_equal_bytes():
    grid = plots.PictureGrid(np.zeros((1, 2, 32, 32, 3), np.uint8), ("row",), ("a", "b"))
    assert plots.picture_grid(grid) == plots.picture_grid(grid)


def test_labels_that_do_not_match_the_grid_are_refused():
    pictures = np.zeros((2, 3, 32, 32, 3), np.uint8)
    with pytest.raises(ValueError, match="got 1 labels for 2 rows"):
        plots.PictureGrid(pictures, row_labels=("one",))
    with pytest.raises(ValueError, match="give uint8"):
        plots.PictureGrid(pictures.astype(np.float32))


def report(accuracy: float, sources: Sequence[str] = tuple(plots.SOURCES), name: str = "gender") -> dict:
    reading = {"balanced_accuracy": accuracy, "ci95": [accuracy - 0.01, accuracy + 0.01]}
    worse = {"r2": -0.3, "ci95": [-0.4, -0.2]}
    hidden = {"chance": 0.5, "floor": 0.55, **dict.fromkeys(sources, reading)}
    return {
        "concealed": {name: hidden},
        "joint": {f"{name} x age x something of a very long name": hidden},
        "kept": {"pose": dict.fromkeys(sources, worse)},
    }


def length_of_bar(image: np.ndarray, source: str) -> int:
    colour = [int(plots.SOURCES[source][i : i + 2], 16) for i in (1, 3, 5)]
    return int((image == colour).all(-1).sum(axis=1).max())


def test_bars_are_as_long_as_the_figures():
    long, short = (length_of_bar(pixels(plots.leakage_bars(report(accuracy))), "codes") for accuracy in (0.9, 0.45))
    assert short / long == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("sources", [("codes",), ("pictures",), ("codes", "pictures"), ("originals", "codes")])
def test_bars_are_drawn_of_what_was_read_alone(sources):
    image = pixels(plots.leakage_bars(report(0.9, sources)))
    assert {source for source in plots.SOURCES if length_of_bar(image, source) > 100} == set(sources)


def test_attributes_of_one_plot_may_be_read_from_different_sources():
    both = report(0.9, ("codes", "pictures"))
    some = report(0.6, ("pictures",), name="age")
    image = pixels(plots.leakage_bars({**both, "concealed": both["concealed"] | some["concealed"], "kept": {}}))
    assert length_of_bar(image, "codes") == pytest.approx(length_of_bar(image, "pictures"), abs=2)


def test_dollar_signs_in_names_are_no_formulas():
    assert plots.leakage_bars(report(0.9, name=r"$\wrong$"))
    assert plots.picture_grid(plots.PictureGrid(np.zeros((1, 1, 32, 32, 3), np.uint8), (r"$\a$",), (r"$\b$",)))


def test_curves_show_both_parts_and_leave_out_what_is_missing():
    rows = [
        {"step": 1, "train/loss": 3.0, "images_per_second": 9.0},
        {"step": 2, "train/loss": 2.0},
        {"step": 2, "validation/loss": 2.5, "validation/ssim": 0.5},
    ]
    both, train_only = pixels(plots.training_curves(rows)), pixels(plots.training_curves(rows[:2]))
    assert both.shape[1] == 2 * train_only.shape[1]
    assert length_of_bar(both, "pictures") > 0
    assert length_of_bar(train_only, "pictures") == 0


def test_rows_without_metrics_are_refused():
    with pytest.raises(ValueError, match="got 1 rows with none of loss"):
        plots.training_curves([{"step": 1}])


def test_importing_plots_does_not_load_matplotlib():
    code = "import conceal_jax.plots, sys; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
