"""Kills `conceal codes` and `conceal photos` at random moments, lets them go on, and compares what they end with.

    python -m benchmarks.kill_release --kills=20

Each command works on a small album with unusable files in it. A start is killed (SIGKILL) at a random one of its file
operations, just before it or, by turns, some milliseconds later; then the same command starts again, and may be killed
again, until one start comes to its end. Then OUT and OUT.private must be, byte for byte, those of a start that nobody
killed. Prints one line a job, and a summary as JSON.
"""

import argparse
import dataclasses
import io
import json
import multiprocessing
import os
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks import kill_resume
from conceal_jax.commands.exit_codes import ExitCode
from conceal_jax.commands.main import main as conceal
from conceal_jax.data.synthetic.factors import draw_factors, render_faces

COMMANDS = ("codes", "photos")

_PHOTOS = 60
_UNUSABLE = {"a/empty.jpg": b"", "b/letter.jpg": b"Dear Sir or Madam,\n"}
_OPTIONS = ("--shard-size=8", "--workers=2")
_OPERATIONS = ("open", "os.mkdir", "os.remove", "os.rename")
_LATER_SECONDS = 0.03
_PRELOADED = ["conceal_jax.commands.codes", "conceal_jax.commands.photos", "conceal_jax.training.stages"]
_KILLED = -signal.SIGKILL


@dataclasses.dataclass(frozen=True)
class Moment:
    """When to kill: so many seconds after so many file operations have begun; never where there are fewer."""

    operations: int
    seconds: float


@dataclasses.dataclass(frozen=True)
class Ended:
    """What became of a start: its exit status, how many file operations it began, and what it said."""

    status: int
    operations: int
    said: str


@dataclasses.dataclass(frozen=True)
class Job:
    """A job that was killed until it came to its end.

    Attributes:
        command: "codes" or "photos".
        kills: where it was killed.
        equal: whether it ended with the bytes of a job that nobody killed.
    """

    command: str
    kills: tuple[Moment, ...]
    equal: bool


@dataclasses.dataclass(frozen=True)
class Bench:
    """A folder with an album and a key in it, and a run.

    Attributes:
        folder: jobs lie here.
        model: the run's directory.
    """

    folder: Path
    model: Path

    def __post_init__(self) -> None:
        """Makes the album and the key."""
        faces = render_faces(draw_factors(_PHOTOS, seed=0), seed=0, size=32)
        photos = {f"{'ab'[index % 2]}/{index}.jpg": _jpeg(face) for index, face in enumerate(faces)}
        for name, content in (photos | _UNUSABLE).items():
            path = self.folder / "album" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        (self.folder / "secret.key").write_bytes(b"a secret of sixteen bytes")

    def start(self, command: str, name: str, moment: Moment | None = None) -> Ended:
        """Runs a command in a process of its own, up to the moment."""
        out = self.folder / name / "out"
        out.parent.mkdir(exist_ok=True)
        inputs = [str(self.folder / "album"), str(out), f"--model={self.model}"]
        arguments = [command, *inputs, f"--key-file={self.folder / 'secret.key'}", *_OPTIONS]
        context = multiprocessing.get_context("forkserver")
        # What all of them import is imported once.
        context.set_forkserver_preload(_PRELOADED)
        # Without a lock, which a killed process would keep.
        counter, log = context.Value("i", 0, lock=False), self.folder / f"{name}.log"
        process = context.Process(target=_run, args=(arguments, log, out.parent, moment, counter))
        process.start()
        process.join()
        assert process.exitcode is not None
        return Ended(process.exitcode, counter.value, log.read_text())

    def contents(self, name: str) -> dict[str, bytes]:
        """By path, everything that a job has left."""
        folder = self.folder / name
        return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def kill_jobs(bench: Bench, command: str, count: int, seed: int) -> Iterator[Job]:
    """Kills jobs until so many kills have fallen.

    Raises:
        RuntimeError: a start that nobody killed failed.
    """
    operations = _finished(bench.start(command, f"{command}-whole"))
    expected = bench.contents(f"{command}-whole")
    generator, fallen, number = np.random.default_rng(seed), 0, 0
    while fallen < count:
        name, kills, status = f"{command}-killed-{number}", list[Moment](), _KILLED
        while status == _KILLED:
            seconds = generator.uniform(0, _LATER_SECONDS) if (fallen + len(kills)) % 2 else 0.0
            moment = Moment(int(generator.integers(1, operations + 1)), seconds)
            # The last job goes on to its end.
            ended = bench.start(command, name, moment if fallen + len(kills) < count else None)
            status = ended.status
            kills += [moment] * (status == _KILLED)
        _finished(ended)
        fallen, number = fallen + len(kills), number + 1
        yield Job(command, tuple(kills), bench.contents(name) == expected)


def summary(jobs: list[Job], seconds: float) -> dict[str, object]:
    """Counts of what happened."""
    kills = Counter[str]()
    for job in jobs:
        kills[job.command] += len(job.kills)
    return {
        "kills": dict(kills),
        "jobs": len(jobs),
        "equal": sum(job.equal for job in jobs),
        "seconds": round(seconds, 1),
    }


def _finished(ended: Ended) -> int:
    """The number of file operations of a start that came to its end."""
    if ended.status != ExitCode.SKIPPED:
        raise RuntimeError(f"`conceal` ended with {ended.status}, not {int(ExitCode.SKIPPED)}, and said: {ended.said}")
    return ended.operations


def _run(arguments: list[str], log: Path, folder: Path, moment: Moment | None, counter: Any) -> None:
    """The command line, in a process that kills itself at the moment."""
    lock = threading.Lock()

    def count(event: str, given: tuple[Any, ...]) -> None:
        if event not in _OPERATIONS or not str(given[0]).startswith(f"{folder}/"):
            return
        with lock:
            counter.value += 1
            if moment and counter.value == moment.operations:
                _kill_after(moment.seconds)

    with log.open("w", buffering=1) as sys.stdout:
        sys.stderr = sys.stdout
        sys.addaudithook(count)
        sys.exit(conceal(arguments))


def _kill_after(seconds: float) -> None:
    if not seconds:
        os.kill(os.getpid(), signal.SIGKILL)
    threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGKILL)).start()


def _jpeg(picture: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG")
    return buffer.getvalue()


def main() -> None:
    """Runs the command line; fails unless all jobs ended alike."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20, help="of each command (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    options = parser.parse_args()
    begin, jobs = time.monotonic(), list[Job]()
    with tempfile.TemporaryDirectory(prefix="kill_release_") as folder:
        os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", f"{folder}/compiled")
        os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.1")
        model = Path(folder) / "model"
        if kill_resume.start(model).wait():
            raise RuntimeError("the run that conceals could not be trained")
        bench = Bench(Path(folder), model)
        for command in COMMANDS:
            for job in kill_jobs(bench, command, options.kills, options.seed):
                jobs.append(job)
                print(f"{len(jobs)}: {job}", flush=True)
    print(json.dumps(summary(jobs, time.monotonic() - begin)))
    if not all(job.equal for job in jobs):
        sys.exit(1)


if __name__ == "__main__":
    main()
