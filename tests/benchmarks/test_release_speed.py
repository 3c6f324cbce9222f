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


def test_the_command_is_compared_with_its_slower_part():
    rounds = {
        name: {"photos": [rate] * 3, "peak_mib": [1.0] * 3}
        for name, rate in (("decode", 400.0), ("encode", 200.0), ("codes", 150.0), ("codes of a quarter", 140.0))
    }
    assert release_speed.summary(rounds)["codes over encode"].median == 0.75
