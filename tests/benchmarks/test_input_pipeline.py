import io
import json
import sys

import numpy as np
import pytest
from PIL import Image

from benchmarks import input_pipeline, timing
from benchmarks.jax_workloads import load_config
from benchmarks.timing import rate
from conceal_jax.data.archive import open_archive

SHRUNKEN = "configs/utkface.py:shrunken"


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return input_pipeline.write_pictures(tmp_path_factory.mktemp("pictures") / "faces.zip", 32, 32)


def test_the_pictures_are_small_jpegs(pictures):
    archive = open_archive(str(pictures))
    assert len(archive.pictures) == 32
    with Image.open(io.BytesIO(archive.read(archive.pictures[0]))) as picture:
        assert (picture.format, picture.size, picture.mode) == ("JPEG", (32, 32), "RGB")
        assert np.ptp(np.asarray(picture)) > 50


def test_streaming_and_decoding_run(pictures):
    config = load_config(SHRUNKEN, {"data.path": str(pictures)})
    assert rate(input_pipeline.streaming(config), 0.01) > 0
    assert rate(input_pipeline.decoding(str(pictures), 16), 0.01) > 0


def test_the_report_sets_the_stream_against_the_step_and_the_decoder_of_all_cores(monkeypatch, tmp_path):
    def figures(module, *arguments):
        if module == "benchmarks.worker":
            return {"train": 100.0}
        return {"images": 900.0 if "--work=stream" in arguments else 500.0}

    monkeypatch.setattr(input_pipeline, "child_figures", figures)
    monkeypatch.setattr(timing.os, "cpu_count", lambda: 3)
    report = tmp_path / "report.json"
    monkeypatch.setattr(sys, "argv", ["", f"--config={SHRUNKEN}", "--count=2", "--rounds=2", f"--json={report}"])
    input_pipeline.main()
    written = json.loads(report.read_text())
    assert written["stream_over_step"]["median"] == 9.0
    assert written["stream_over_decoder"]["median"] == 900 / 1500
