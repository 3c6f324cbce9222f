import pytest

from benchmarks import start_up
from benchmarks.input_pipeline import write_pictures


def test_a_run_is_timed_until_its_first_step_and_ended(tmp_path):
    pictures = write_pictures(tmp_path / "faces.zip", 120, 32)
    seconds = start_up.seconds_to_first_step("configs/utkface.py:shrunken", pictures, {}, tmp_path / "run", tmp_path)
    assert seconds > 0
    assert '"step": 1' in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()[0]
    assert not (tmp_path / "run" / "report").exists()


def test_a_run_that_ends_before_is_told_of(tmp_path):
    with pytest.raises(RuntimeError, match="ended with exit status 1"):
        start_up.seconds_to_first_step(
            "configs/utkface.py:shrunken", tmp_path / "none.zip", {}, tmp_path / "run", tmp_path
        )


def test_the_warm_start_finds_what_the_cold_one_has_kept(tmp_path):
    seen = []

    def start(workdir, caches):
        seen.append((workdir, caches))
        return float(len(seen))

    assert start_up.cold_and_warm(start, tmp_path) == (1.0, 2.0)
    assert seen == [(tmp_path / "cold", tmp_path), (tmp_path / "warm", tmp_path)]
