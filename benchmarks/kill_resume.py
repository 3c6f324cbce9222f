"""Kills short training runs at random moments, lets each go on, and compares what they end with, bit for bit.

    python -m benchmarks.kill_resume --kills=100

A run of a tiny configuration goes through all three stages on a CPU and saves a checkpoint at each step, so that a
good part of its time goes into saving. Kills (SIGKILL) fall on a random file that it makes, or on a random second of
it, by turns. Prints one line a kill, and a summary as JSON.
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

from conceal_jax import config_files
from conceal_jax.attributes import AttributeSet
from conceal_jax.compilation_cache import keep_compiled_programs
from conceal_jax.config import Config
from conceal_jax.training import run_directory
from conceal_jax.training.parallel import create_mesh
from conceal_jax.training.stages import trained_state

ROOT = Path(__file__).parents[1]
CONFIG = "configs/demo.py:shrunken"
OVERRIDES = {
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
    "adversary.widths": "(0,)",
    "evaluation.batch_size": "8",
}


@dataclasses.dataclass(frozen=True)
class Moment:
    """When to kill: once so many files and folders have been made, or after so many seconds."""

    files: float = np.inf
    seconds: float = np.inf


@dataclasses.dataclass(frozen=True)
class Kill:
    """One killed run.

    Attributes:
        stage: that it was killed in: "start", "first", "censor" or "refit".
        saving: whether a checkpoint was being written.
        equal: whether the run that went on ended with the bits of the one that nobody killed.
    """

    stage: str
    saving: bool
    equal: bool


def start(workdir: Path) -> "subprocess.Popen[bytes]":
    """A training process, quiet unless it fails."""
    overrides = [f"--config.{name}={value}" for name, value in OVERRIDES.items()]
    command = [sys.executable, "train.py", f"--config={CONFIG}", f"--workdir={workdir}", *overrides]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)


def watch(process: "subprocess.Popen[bytes]", workdir: Path, moment: Moment) -> tuple[int, float]:
    """Waits for the end of a process, and brings it about at the given moment.

    Returns:
        How many files it made, as far as they were seen, and after how many seconds it ended.
    """
    begin, seen = time.monotonic(), set[str]()
    while process.poll() is None:
        seen.update(_paths(workdir))
        if len(seen) >= moment.files or time.monotonic() - begin >= moment.seconds:
            process.kill()
            process.wait()
        time.sleep(0.005)
    return len(seen), time.monotonic() - begin


def final_parameters(workdir: Path, config: Config) -> list[np.ndarray]:
    """All parameters of a finished run, its optimiser's state and all else that training carries."""
    attributes = AttributeSet.load(workdir / run_directory.ATTRIBUTES)
    state = trained_state(workdir, config, attributes, create_mesh())
    return [np.asarray(leaf) for leaf in jax.tree.leaves(state)]


def kill_and_resume(folder: Path, count: int, seed: int) -> Iterator[Kill]:
    """Kills so many runs, each in a directory of its own, which is removed when it is done."""
    config = config_files.load_config(str(ROOT / CONFIG), OVERRIDES)
    whole = folder / "whole"
    # The first start compiles; the second one's time and files are those of all others.
    for _ in range(2):
        shutil.rmtree(whole, ignore_errors=True)
        files, seconds = _finish(whole)
    expected = final_parameters(whole, config)
    generator, number = np.random.default_rng(seed), 0
    while number < count:
        workdir = folder / f"killed-{number}"
        by_file = number % 2 == 0
        moment = (
            Moment(files=int(generator.integers(1, files)))
            if by_file
            else Moment(seconds=generator.uniform(0, seconds))
        )
        process = start(workdir)
        watch(process, workdir, moment)
        if process.returncode == -signal.SIGKILL:
            stage, saving = _stage(workdir), any("orbax-checkpoint-tmp" in path for path in _paths(workdir))
            _finish(workdir)
            found = final_parameters(workdir, config)
            yield Kill(stage, saving, all(map(np.array_equal, found, expected)))
            number += 1
        shutil.rmtree(workdir, ignore_errors=True)


def summary(kills: list[Kill], seconds: float) -> dict[str, object]:
    """Counts of what happened."""
    stages = {stage: sum(kill.stage == stage for kill in kills) for stage in ("start", "first", "censor", "refit")}
    return {
        "kills": len(kills),
        "equal": sum(kill.equal for kill in kills),
        "while_saving": sum(kill.saving for kill in kills),
        "by_stage": stages,
        "seconds": round(seconds, 1),
    }


def _finish(workdir: Path) -> tuple[int, float]:
    process = start(workdir)
    found = watch(process, workdir, Moment())
    if process.returncode:
        raise RuntimeError(f"training in {workdir} ended with {process.returncode}; start it by hand to see why")
    return found


def _paths(workdir: Path) -> list[str]:
    return [os.path.join(folder, name) for folder, folders, names in os.walk(workdir) for name in (*folders, *names)]


def _stage(workdir: Path) -> str:
    begun = {
        "refit": workdir / run_directory.REFIT,
        "censor": workdir / run_directory.CENSOR,
        "first": workdir / run_directory.CHECKPOINTS,
    }
    return next((name for name, folder in begun.items() if folder.exists()), "start")


def main() -> None:
    """Runs the command line; fails unless all runs ended alike."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    options = parser.parse_args()
    keep_compiled_programs()
    begin, kills = time.monotonic(), []
    with tempfile.TemporaryDirectory(prefix="kill_resume_") as folder:
        for kill in kill_and_resume(Path(folder), options.kills, options.seed):
            kills.append(kill)
            print(f"{len(kills)}: {kill}", flush=True)
    print(json.dumps(summary(kills, time.monotonic() - begin)))
    if not all(kill.equal for kill in kills):
        sys.exit(1)


if __name__ == "__main__":
    main()
