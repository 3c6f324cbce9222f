import pytest

from benchmarks.front import SETTINGS
from benchmarks.front_figure import panels


def test_every_setting_is_drawn_above_its_floor():
    rows = [
        {
            "setting": name,
            "psnr_db": 20.0 + index,
            "codes": {"gender": 0.6},
            "neutral": {"gender": 0.65},
            "floor": {"gender": 0.55},
        }
        for index, name in enumerate(SETTINGS)
    ]
    (panel,) = panels(rows)
    drawn = [tuple(point) for curve in panel.curves for point in zip(curve.x[:, 0], curve.y[:, 0], strict=True)]
    assert sorted(drawn) == [(20.0 + index, pytest.approx(0.1)) for index in range(len(SETTINGS))]
