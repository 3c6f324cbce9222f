import pytest

from benchmarks import release_speed
from benchmarks.input_pipeline import write_pictures


@pytest.mark.parametrize("work", release_speed.WORKS)
def test_all_photos_are_counted(work, tiny_run, tmp_path, monkeypatch):
    monkeypatch.setattr(release_speed, "keep_freed_memory", lambda: None)
    photos = write_pictures(tmp_path / "photos.zip", 40, 32)
    count, run = release_speed.WORKS[work](photos, tiny_run, tmp_path / "codes")
    run()
    assert count == 40
    assert (tmp_path / "codes" / "codes-00000.npz").exists() == (work == "codes")


def test_the_command_is_compared_with_its_parts_and_with_both_in_turn():
    photos = {
        "decode": 400.0,
        "decode on every core": 600.0,
        "encode": 300.0,
        "codes": 150.0,
        "codes of a quarter": 1.0,
    }
    rounds = {name: {"photos": [rate] * 3, "peak_mib": [1.0] * 3} for name, rate in photos.items()}
    summary = release_speed.summary(rounds)
    assert summary["codes over encode"].median == 0.5
    assert summary["codes over decode on every core"].median == 0.25
    assert summary["codes over both in turn"].median == pytest.approx(0.75)
