"""Two processes that train together: one run, as if it were one process with all the devices."""

import json
import os
import re
import signal
import subprocess
import sys

import jax
import numpy as np
import pytest

from benchmarks.kill_resume import CONFIG as CONFIG_FILE
from benchmarks.kill_resume import OVERRIDES as SMALL
from benchmarks.process_faults import SAID, SECONDS, started, wait_for
from conceal_jax.config import files as config_files
from conceal_jax.runtime import distributed
from conceal_jax.runtime.parallel import create_mesh
from conceal_jax.training import loop
from conceal_jax.training.metrics import read_metrics

OVERRIDES = SMALL | {
    # 72 pictures to learn from in batches of 16: some batches have a tail of padding, on one of the processes alone.
    "data.synthetic_count": "80",
    "data.loader": "stream",
    "training.batch_size": "16",
    "training.steps": "20",
    "training.checkpoint_every": "5",
    "training.evaluate_every": "10",
    "training.pictures_every": "20",
    "censor.batch_size": "16",
    "censor.steps": "2",
    "censor.refit_steps": "0",
    "penalty.adversary": "0",
}
CONFIG = config_files.load_config(CONFIG_FILE, OVERRIDES)
SPEEDS = {"images_per_second", "gigaflops_per_second"}


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    """A run of two processes, of which the first was killed once; what the other said of that; what both log later."""
    workdir = tmp_path_factory.mktemp("together")
    with started(workdir, OVERRIDES) as pair:
        wait_for(workdir / "checkpoints" / "5", pair)
        pair[0].kill()
        last_words = pair[1].communicate(timeout=SECONDS)[1]
        status = pair[1].returncode
    with started(workdir, OVERRIDES) as pair:
        logs = [process.communicate(timeout=900)[1] for process in pair]
        assert [process.returncode for process in pair] == [0, 0], logs
    return workdir, logs, (status, last_words)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The same run in one process with as many devices."""
    workdir = tmp_path_factory.mktemp("alone")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "create_mesh", lambda: create_mesh(jax.devices()[:4]))
        return workdir, loop.train(CONFIG, workdir)


@pytest.mark.parametrize("stage", ["", "censor"])
def test_two_processes_learn_what_one_learns(together, alone, stage):
    rows, expected = (read_metrics(workdir / stage / "metrics.jsonl") for workdir in (together[0], alone[0]))
    assert [row["step"] for row in rows] == [row["step"] for row in expected]
    for row, other in zip(rows, expected, strict=True):
        assert row.keys() == other.keys()
        for name in row.keys() - SPEEDS:
            np.testing.assert_allclose(row[name], other[name], rtol=1e-5, atol=1e-6, err_msg=f"{name} {row['step']}")
    assert not stage or len(rows) > 1


def test_every_validation_picture_counts_once(together):
    rows = read_metrics(together[0] / "metrics.jsonl")
    assert [row["validation/examples"] for row in rows if "validation/examples" in row] == [8, 8]


def test_a_run_of_two_processes_is_read_by_one(together, alone):
    state = loop.train(CONFIG, together[0])
    for leaf, other in zip(jax.tree.leaves(state), jax.tree.leaves(alone[1]), strict=True):
        np.testing.assert_allclose(leaf, other, rtol=1e-4, atol=1e-5)


def test_a_process_does_not_outlive_the_other(together):
    """The first one's death is noticed at once; others', as benchmarks/process_faults.py shows, by their silence."""
    status, last_words = together[2]
    assert status == -signal.SIGABRT
    assert SAID.search(last_words)


def test_one_process_writes(together):
    workdir, (leader, follower), _ = together
    assert "2 processes, 4 devices" in leader
    assert "going on from the checkpoint of step" in leader
    # Lines of this project's log begin with the time of day; libraries write what they like.
    assert re.search(r"^\d\d:\d\d:\d\d ", leader, re.MULTILINE)
    assert not re.search(r"^\d\d:\d\d:\d\d ", follower, re.MULTILINE)
    assert json.loads((workdir / "data_report.json").read_text())["used"] == 80


@pytest.fixture
def joined(monkeypatch):
    """What would be joined, and an environment that names nothing."""
    calls = []
    monkeypatch.setattr(jax.distributed, "initialize", lambda **settings: calls.append(settings))
    for name in (*distributed.EXPLICIT, "SLURM_STEP_NODELIST", "OMPI_COMM_WORLD_SIZE", "TPU_WORKER_HOSTNAMES"):
        monkeypatch.delenv(name, raising=False)
    return calls


SLURM = {"SLURM_STEP_NODELIST": "node[1-2]", "SLURM_NTASKS": "2"}
NAMED = dict(zip(distributed.EXPLICIT, ("host:1234", "4", "3"), strict=True))


@pytest.mark.parametrize(
    ("mode", "environment", "count"),
    [
        ("auto", {}, 0),
        ("auto", SLURM, 1),
        # An allocation that starts no step, and a step of one task, which needs all devices that it sees.
        ("auto", {"SLURM_NTASKS": "2"}, 0),
        ("auto", SLURM | {"SLURM_NTASKS": "1"}, 0),
        ("auto", {"OMPI_COMM_WORLD_SIZE": "8"}, 1),
        ("auto", {"TPU_WORKER_HOSTNAMES": "a,b"}, 1),
        ("auto", {"TPU_WORKER_HOSTNAMES": "localhost"}, 0),
        ("auto", NAMED, 1),
        ("on", {}, 1),
        ("off", SLURM | NAMED, 0),
    ],
)
def test_processes_are_joined_where_there_are_several(joined, monkeypatch, mode, environment, count):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    distributed.connect(mode)
    assert len(joined) == count
    if count and environment is NAMED:
        assert (joined[0]["coordinator_address"], joined[0]["num_processes"], joined[0]["process_id"]) == (
            "host:1234",
            4,
            3,
        )


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"JAX_PROCESS_ID": "1"}, "JAX_COORDINATOR_ADDRESS, JAX_NUM_PROCESSES is not"),
        (NAMED | {"JAX_PROCESS_ID": "4"}, "a number below it"),
        (NAMED | {"JAX_NUM_PROCESSES": "two"}, "JAX_NUM_PROCESSES='two'"),
        (NAMED | {"JAX_COORDINATOR_ADDRESS": "host"}, "give HOST:PORT"),
    ],
)
def test_a_meeting_place_is_named_whole_or_not_at_all(joined, monkeypatch, environment, message):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match=message):
        distributed.connect("auto")
    assert not joined


def test_where_nothing_is_to_be_joined_it_is_said(tmp_path):
    command = [sys.executable, "train.py", "--distributed=on", f"--workdir={tmp_path}"]
    bare = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM", "OMPI", "TPU"))}
    result = subprocess.run(command, env=bare, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "no processes to join" in result.stderr.splitlines()[-1]


def test_processes_that_are_not_joined_are_refused(monkeypatch):
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    with pytest.raises(ValueError, match="add --distributed=on"):
        distributed.assign_roles()
