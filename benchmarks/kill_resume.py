"""Kills short training runs at random moments, lets each go on, and compares what they end with, bit for bit.

    python -m benchmarks.kill_resume --kills=100

A run of a tiny configuration goes through all three stages on a CPU and saves a checkpoint at each step. Kills
(SIGKILL) fall on a random one of the files that it makes: by turns, on the next moment at which a checkpoint is being
written, or up to .3 s later. Prints one line a kill, and a summary as JSON.
"""

import argparse
import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import jax
import numpy as np

from conceal_jax.config import Config
from conceal_jax.config import files as config_files
from conceal_jax.runs import run_directory
from conceal_jax.runs.checkpoint import restore_run
from conceal_jax.runs.plan import planned_stages
from conceal_jax.runtime.compilation_cache import keep_compiled_programs

ROOT = Path(__file__).parents[1]
CONFIG = "configs/demo.py:shrunken"
# One attribute: the programs of more are no other, but take minutes to compile on a busy core.
OVERRIDES = {
    "attributes.concealed": '[{"kind": "categorical", "name": "gender", "classes": ["male", "female"]}]',
    "attributes.kept": "[]",
    "data.synthetic_count": "48",
    "model.widths": "(8,)",
    "model.blocks": "(0,)",
    "model.patch": "8",
    "training.steps": "4",
    "training.batch_size": "8",
    "training.checkpoint_every": "1",
    "training.log_every": "1",
    "training.evaluate_every": "100",
    "training.pictures_every": "100",
    "censor.steps": "4",
    "censor.refit_steps": "4",
    "censor.batch_size": "8",
    "censor.kept": "0",
    "censor.brightness": "0",
    "penalty.attribute_weights": "()",
    "adversary.widths": "(0,)",
    "adversary.updates": "1",
    "evaluation.batch_size": "8",
}


@dataclasses.dataclass(frozen=True)
class Moment:
    """When to kill: once so many files and folders have been made, and so many seconds later.

    Attributes:
        files: how many.
        seconds: how much later.
        saving: not before a checkpoint is being written.
    """

    files: float
    seconds: float
    saving: bool


# Seconds. Longer, and a stage whose programs are found compiled is over before the kill falls.
LATER = 0.3
NEVER = Moment(files=np.inf, seconds=0.0, saving=False)


@dataclasses.dataclass(frozen=True)
class Kill:
    """Where a process was killed.

    Attributes:
        stage: "start", "first", "censor" or "refit".
        saving: whether a checkpoint was being written.
    """

    stage: str
    saving: bool


@dataclasses.dataclass(frozen=True)
class KilledRun:
    """A run that was killed, went on, and came to its end.

    Attributes:
        kills: one after the other.
        equal: whether it ended with the bits of the run that nobody killed.
    """

    kills: list[Kill]
    equal: bool


def start(workdir: Path) -> "subprocess.Popen[bytes]":
    """A training process, quiet unless it fails."""
    overrides = [f"--config.{name}={value}" for name, value in OVERRIDES.items()]
    command = [sys.executable, "train.py", f"--config={CONFIG}", f"--workdir={workdir}", *overrides]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)


def watch(process: "subprocess.Popen[bytes]", workdir: Path, seen: set[str], moment: Moment = NEVER) -> None:
    """Waits for the end of a process, and brings it about at the given moment; adds to `seen` what files it made."""
    due = np.inf
    while process.poll() is None:
        paths = _paths(workdir)
        seen.update(paths)
        if due == np.inf and len(seen) >= moment.files:
            due = time.monotonic() + moment.seconds
        if time.monotonic() >= due and (_is_saving(paths) or not moment.saving):
            process.kill()
            process.wait()
        time.sleep(0.02)


def final_parameters(workdir: Path, config: Config) -> list[np.ndarray]:
    """All parameters of a finished run, its optimiser's state and all else that training carries."""
    state = restore_run(workdir / planned_stages(config)[-1].folder / run_directory.CHECKPOINTS)
    return [np.asarray(leaf) for leaf in jax.tree.leaves(state)]


def kill_and_resume(folder: Path, runs: int, seed: int, kills: int = 1) -> Iterator[KilledRun]:
    """Kills so many runs so many times each; every run has a directory of its own, which is removed at its end."""
    config = config_files.load_config(str(ROOT / CONFIG), OVERRIDES)
    whole, files = folder / "whole", set[str]()
    process = start(whole)
    watch(process, whole, files)
    _finish(process, whole)
    expected = final_parameters(whole, config)
    generator, number = np.random.default_rng(seed), 0
    while number < runs:
        workdir = folder / f"killed-{number}"
        moments: list[Moment] = []
        for part in (np.arange(kills) + generator.uniform(size=kills)) / kills:
            saving = (number + len(moments)) % 2 == 0
            later = 0.0 if saving else generator.uniform(0, LATER)
            moments.append(Moment(part * len(files), later, saving))
        found = _kill(workdir, moments)
        if len(found) == kills:
            _finish(start(workdir), workdir)
            state = final_parameters(workdir, config)
            yield KilledRun(found, all(map(np.array_equal, state, expected)))
            number += 1
        shutil.rmtree(workdir, ignore_errors=True)


def summary(runs: list[KilledRun], seconds: float) -> dict[str, object]:
    """Counts of what happened."""
    kills = [kill for run in runs for kill in run.kills]
    stages = {
        stage: sum(kill.stage == stage for kill in kills) for stage in ("start", "autoencoder", "censor", "refit")
    }
    return {
        "runs": len(runs),
        "equal": sum(run.equal for run in runs),
        "while_saving": sum(kill.saving for kill in kills),
        "by_stage": stages,
        "seconds": round(seconds, 1),
    }


def _kill(workdir: Path, moments: list[Moment]) -> list[Kill]:
    """Starts a run and kills it at each of the moments, if it gets there."""
    kills, seen = [], set[str]()
    for moment in moments:
        process = start(workdir)
        watch(process, workdir, seen, moment)
        if process.returncode == -signal.SIGKILL:
            kills.append(Kill(_stage(workdir), _is_saving(_paths(workdir))))
    return kills


def _finish(process: "subprocess.Popen[bytes]", workdir: Path) -> None:
    if process.wait():
        raise RuntimeError(f"training in {workdir} ended with {process.returncode}; start it by hand to see why")


def _is_saving(paths: list[str]) -> bool:
    return any("orbax-checkpoint-tmp" in path for path in paths)


def _paths(workdir: Path) -> list[str]:
    return [os.path.join(folder, name) for folder, folders, names in os.walk(workdir) for name in (*folders, *names)]


def _stage(workdir: Path) -> str:
    begun = {
        "refit": workdir / "refit",
        "censor": workdir / "censor",
        "autoencoder": workdir / run_directory.CHECKPOINTS,
    }
    return next((name for name, folder in begun.items() if folder.exists()), "start")


def main() -> None:
    """Runs the command line; fails unless all runs ended alike."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100, help="each of a run of its own")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    options = parser.parse_args()
    keep_compiled_programs()
    begin, runs = time.monotonic(), []
    with tempfile.TemporaryDirectory(prefix="kill_resume_") as folder:
        for run in kill_and_resume(Path(folder), options.kills, options.seed):
            runs.append(run)
            print(f"{len(runs)}: {run}", flush=True)
    print(json.dumps(summary(runs, time.monotonic() - begin)))
    if not all(run.equal for run in runs):
        sys.exit(1)


if __name__ == "__main__":
    main()
