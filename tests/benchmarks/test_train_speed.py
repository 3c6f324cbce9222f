import importlib.util
import json
import sys

import pytest

from benchmarks import encode_speed, train_speed, worker
from benchmarks.timing import child_figures

TINY = ("--config=configs/utkface.py:shrunken", "--batch=16", "--seconds=0.05", "--gemm-size=64")

ROUNDS = {
    "jax": {"train": [90.0, 100.0, 110.0], "encode": [700.0, 800.0, 900.0], "gemm": [4e9, 5e9, 6e9]},
    "torch": {"train": [45.0, 50.0, 55.0], "encode": [400.0, 400.0, 400.0], "gemm": [9e9, 10e9, 11e9]},
    "torch_compiled": {"train": [70.0, 80.0, 90.0], "encode": [100.0, 100.0, 100.0]},
    "torch_as_it_comes": {"train": [25.0, 25.0, 25.0], "encode": [400.0, 400.0, 400.0]},
}


def test_ratios_are_against_the_best_of_pytorch_and_the_peak_is_that_of_the_faster_framework():
    report = train_speed.summary(ROUNDS, flops_per_picture=2e7)
    assert report["train_ratio"] == 100 / 80
    assert report["encode_ratio"] == 2.0
    assert report["train_ratio_as_it_comes"] == 4.0
    assert report["gemm_share"] == pytest.approx(100 * 2e7 / 10e9)


@pytest.fixture
def workers_run_here(monkeypatch, capsys):
    """A process for each would be most of the time."""

    def figures(module, *arguments):
        assert module == "benchmarks.worker"
        with monkeypatch.context() as patch:
            patch.setattr(sys, "argv", ["", *map(str, arguments)])
            # JAX has started already.
            patch.setattr(worker, "keep_freed_memory", lambda: None)
            worker.main()
        return json.loads(capsys.readouterr().out)

    monkeypatch.setattr(train_speed, "child_figures", figures)
    monkeypatch.setattr(encode_speed, "child_figures", figures)


def test_ours_is_measured_alone_where_asked(workers_run_here, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(
        sys,
        "argv",
        ["", "--against=none", "--rounds=1", f"--json={tmp_path / 'report.json'}", *TINY],
    )
    train_speed.main()
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["images_per_second"]["jax"]["train"]["median"] > 0
    assert report["images_per_second"]["jax"]["encode"]["median"] > 0
    assert report["mflop_per_trained_picture"] > 1
    assert "GFLOP/s" in capsys.readouterr().out


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="PyTorch is not installed")
def test_a_worker_measures_pytorch():
    figures = child_figures("benchmarks.worker", "--framework=torch", "--work", "train", "encode", "gemm", *TINY)
    assert all(figures[work] > 0 for work in ("train", "encode", "gemm"))


def test_pytorch_is_asked_for_where_it_is_missing(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SystemExit, match="make bench"):
        train_speed.require_torch()


def test_encoding_is_measured_in_batches(workers_run_here, monkeypatch, tmp_path):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    report = tmp_path / "report.json"
    monkeypatch.setattr(sys, "argv", ["", "--rounds=1", "--batches", "1", "4", f"--json={report}", *TINY])
    encode_speed.main()
    figures = json.loads(report.read_text())
    assert figures["1"]["jax"]["median"] > 0
    assert figures["4"]["jax"]["median"] > 0
