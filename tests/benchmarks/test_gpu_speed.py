import json
import sys

from benchmarks import gpu_speed
from tests.test_layout import loaded_by

TINY = ("--config=configs/utkface.py:shrunken", "--sizes", "16", "--batches", "16", "--dtypes", "bfloat16")
QUICK = ("--seconds=0.02", "--gemm-size=64", "--copy-megabytes=1", "--against=none")


def test_every_figure_of_a_case_is_measured_and_written(monkeypatch, tmp_path):
    path = tmp_path / "report.json"
    monkeypatch.setattr(sys, "argv", ["", f"--json={path}", *TINY, *QUICK])
    gpu_speed.main()
    report = json.loads(path.read_text())
    (case,) = report["cases"]
    assert (case.pop("size"), case.pop("dtype"), case.pop("batch")) == (16, "bfloat16", 16)
    assert {"train", "train_share_of_peak", "train_share_of_bandwidth", "encode", "encode_host", "input"} <= set(case)
    assert all(value > 0 for value in (report["peak_flops"], report["bandwidth"], *case.values()))


def test_it_needs_neither_tensorflow_nor_what_comes_with_it():
    loaded = loaded_by("benchmarks.gpu_speed")
    assert "benchmarks.gpu_speed" in loaded
    assert not {"tensorflow", "tensorflow_datasets", "ml_collections", "torch"} & loaded
