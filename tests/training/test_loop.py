import dataclasses
import json
import shutil
import signal
import subprocess
import sys
import time

import jax
import numpy as np
import pytest

from benchmarks import kill_resume
from benchmarks.kill_resume import OVERRIDES, final_parameters
from conceal_jax.config import files as config_files
from conceal_jax.data.sources.open import open_collection
from conceal_jax.evaluation.evaluate import cross_fit_run, evaluate_run
from conceal_jax.runtime.errors import NonFiniteError
from conceal_jax.runtime.interrupt import TrainingStopped
from conceal_jax.training import loop
from conceal_jax.training.feed import ResidentFeed
from conceal_jax.training.metrics import read_metrics

CONFIG = config_files.load_config("configs/demo.py:shrunken")


def assert_trees_equal(tree, other):
    for leaf, other_leaf in zip(jax.tree.leaves(tree), jax.tree.leaves(other), strict=True):
        np.testing.assert_array_equal(leaf, other_leaf)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("finished")
    return workdir, loop.train(CONFIG, workdir)


def test_a_run_directory_holds_everything(finished):
    workdir, state = finished
    assert int(state.step) == 4
    assert config_files.load(workdir / "config.json") == CONFIG
    assert json.loads((workdir / "data_report.json").read_text())["used"] == 160
    assert [path.name for path in sorted((workdir / "pictures").iterdir())] == ["0000004.png"]
    rows = read_metrics(workdir / "metrics.jsonl")
    assert [row["step"] for row in rows] == [2, 4, 4]
    assert {"train/loss", "train/rate", "train/psnr_db", "images_per_second"} <= rows[0].keys()
    assert {"validation/psnr_db", "validation/ssim", "validation/rate"} <= rows[-1].keys()


def test_neutral_labels_are_the_training_marginals(finished):
    workdir, _ = finished
    concealed = json.loads((workdir / "attributes.json").read_text())["concealed"]
    assert all(abs(sum(spec["neutral"]) - 1) < 1e-5 for spec in concealed)
    assert concealed[0]["neutral"] != [0.5, 0.5]


def test_a_run_that_goes_on_or_is_judged_knows_whom_it_learned_from(finished, tmp_path, caplog):
    workdir = shutil.copytree(finished[0], tmp_path / "run")
    learned = workdir / "learned_from.txt"
    people = open_collection(CONFIG.data, CONFIG.attributes, CONFIG.seed)
    assert len(learned.read_text().split()) == 1 + len(people.subset("train"))
    with learned.open("a") as file:
        file.write(f"{people.subset('validation').identity[0]:016x}\n")
    for use in (lambda: loop.train(CONFIG, workdir), lambda: evaluate_run(workdir), lambda: cross_fit_run(workdir, 2)):
        with pytest.raises(ValueError, match="has learned from 1 of the 16 people"):
            use()
    learned.unlink()
    loop.train(CONFIG, workdir)
    assert "does not say whom it learned from" in caplog.text
    assert not learned.exists()


@pytest.mark.parametrize("crash_at", [1, 3])
def test_a_crashed_run_ends_with_the_same_bits(finished, tmp_path, monkeypatch, crash_at):
    advance = ResidentFeed.advance

    def crash(self, state, step, count):
        if step == crash_at:
            raise KeyboardInterrupt
        return advance(self, state, step, 1)

    monkeypatch.setattr(ResidentFeed, "advance", crash)
    with pytest.raises(KeyboardInterrupt):
        loop.train(CONFIG, tmp_path)
    monkeypatch.undo()
    assert_trees_equal(loop.train(CONFIG, tmp_path), finished[1])
    assert [row["step"] for row in read_metrics(tmp_path / "metrics.jsonl")] == [2, 4, 4]


def test_ctrl_c_saves_and_the_run_goes_on(finished, tmp_path, monkeypatch):
    advance = ResidentFeed.advance

    def interrupted(self, state, step, count):
        signal.raise_signal(signal.SIGINT)
        return advance(self, state, step, 1)

    monkeypatch.setattr(ResidentFeed, "advance", interrupted)
    with pytest.raises(TrainingStopped, match="stopped at step 1 by SIGINT") as stopped:
        loop.train(CONFIG, tmp_path)
    assert stopped.value.exit_code == 130
    monkeypatch.undo()
    assert_trees_equal(loop.train(CONFIG, tmp_path), finished[1])


# Tiny, and long enough to be stopped in between.
LONG = {**OVERRIDES, **dict.fromkeys(("training.steps", "censor.steps", "censor.refit_steps"), "40")}
LONG |= {"training.checkpoint_every": "2", "training.log_every": "2"}
COMMAND = [
    sys.executable,
    "train.py",
    f"--config={kill_resume.CONFIG}",
    *(f"--config.{k}={v}" for k, v in LONG.items()),
]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run in a process of its own that nobody stopped."""
    workdir = tmp_path_factory.mktemp("whole")
    subprocess.run([*COMMAND, f"--workdir={workdir}"], check=True, stderr=subprocess.DEVNULL)
    return workdir


@pytest.mark.parametrize(
    ("seen", "number", "status"),
    [("checkpoints/4", signal.SIGINT, 130), ("censor/checkpoints/4", signal.SIGTERM, 143)],
)
def test_a_stopped_process_says_so_and_ends_with_the_same_bits(whole, tmp_path, seen, number, status):
    """Ctrl-C or a preemption, wherever the process then is; kills are in tests/test_kill_resume.py."""
    command = [*COMMAND, f"--workdir={tmp_path}"]
    # A job started in the background inherits an ignored SIGINT: what a terminal's job starts with is set here.
    inherited = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    signal.signal(signal.SIGINT, inherited)
    deadline = time.monotonic() + 300
    while not (tmp_path / seen).exists() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.01)
    assert process.poll() is None, "it ended before it could be stopped"
    process.send_signal(number)
    assert process.wait() == status
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    config = config_files.load(whole / "config.json")
    assert_trees_equal(final_parameters(tmp_path, config), final_parameters(whole, config))


def test_a_finished_run_is_not_trained_again(finished):
    workdir, state = finished
    before = (workdir / "metrics.jsonl").read_text()
    assert_trees_equal(loop.train(CONFIG, workdir), state)
    assert (workdir / "metrics.jsonl").read_text() == before


def test_another_configuration_is_refused(finished):
    workdir, _ = finished
    other = config_files.override(CONFIG, {"model.latent_dim": "4"})
    with pytest.raises(ValueError, match=r"another configuration \(model.latent_dim: there 8, now 4\)"):
        loop.train(other, workdir)


def test_data_that_is_too_bad_is_listed_before_the_run_stops(tmp_path):
    (tmp_path / "photos").mkdir()
    rows = ["filename,gender,age"]
    for index in range(12):
        (tmp_path / "photos" / f"{index}.jpg").write_text(f"text {index}")
        rows.append(f"{index}.jpg,male,{index - 3}")
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    data = {"data.path": str(tmp_path / "photos"), "data.labels": str(tmp_path / "labels.csv")}
    config = config_files.load_config("configs/folder.py:shrunken", data)
    with pytest.raises(ValueError, match="3 of 12 items"):
        loop.train(config, tmp_path / "run")
    report = json.loads((tmp_path / "run" / "data_report.json").read_text())
    assert report["skipped"][0] == {"name": "0.jpg", "reason": "age: got -3; it must lie from 0 to 120 years"}
    assert not (tmp_path / "run" / "config.json").exists()


@pytest.mark.parametrize(("loader", "least"), [("resident", 12), ("stream", 7)])
def test_unreadable_training_pictures_are_listed_before_a_step_is_made(tmp_path, loader, least):
    (tmp_path / "photos").mkdir()
    for index in range(12):
        (tmp_path / "photos" / f"{index}.jpg").write_text(f"no picture {index}")
    rows = [f"{index}.jpg,male,{index},{'train' if index < 10 else 'validation'}" for index in range(12)]
    (tmp_path / "labels.csv").write_text("\n".join(["filename,gender,age,split", *rows]))
    data = {"data.path": str(tmp_path / "photos"), "data.labels": str(tmp_path / "labels.csv")}
    config = config_files.load_config(
        "configs/folder.py:shrunken", {**data, "data.max_bad_fraction": "0.5", "data.loader": loader}
    )
    with pytest.raises(ValueError, match="of 12 items"):
        loop.train(config, tmp_path / "run")
    assert len(json.loads((tmp_path / "run" / "data_report.json").read_text())["skipped"]) >= least
    assert not (tmp_path / "run" / "metrics.jsonl").exists()


def test_stream_and_resident_learn_the_same(finished, tmp_path):
    config = config_files.override(CONFIG, {"data.loader": "stream"})
    loop.train(config, tmp_path)
    rows, expected = (read_metrics(path / "metrics.jsonl") for path in (tmp_path, finished[0]))
    for row, other in zip(rows, expected, strict=True):
        for name in row.keys() - {"images_per_second", "gigaflops_per_second"}:
            np.testing.assert_allclose(row[name], other[name], rtol=1e-3)
    assert [row.keys() for row in rows] == [row.keys() for row in expected]


def test_what_is_not_finite_is_named_and_not_saved(tmp_path):
    training = dataclasses.replace(CONFIG.training, learning_rate=1e30, clip_norm=1e30, steps=8)
    with pytest.raises(NonFiniteError, match=r"not finite at step [1-9]: .*loss"):
        loop.train(dataclasses.replace(CONFIG, training=training), tmp_path)
    saved = [int(path.name) for path in (tmp_path / "checkpoints").iterdir() if path.name.isdigit()]
    assert all(step <= 2 for step in saved)
