"""Something happens to one of two processes that train one run: what the other does, and whether the run goes on.

    python -m benchmarks.process_faults [--only="the first process is killed"]

Two CPU devices each, over loopback. Prints a row for each fault: how the process that nothing was done to ended, after
how many seconds, and what it said. Fails if that took more than a minute, if it said nothing, or if a second start of
both does not train to the end.
"""

import argparse
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.kill_resume import CONFIG, OVERRIDES, ROOT
from conceal_jax.runs.run_directory import CHECKPOINTS
from conceal_jax.runtime.distributed import EXPLICIT

LONG = OVERRIDES | {"training.steps": "400", "training.checkpoint_every": "20", "censor.steps": "0"}
FAULTS = {
    "the first process is killed": (0, signal.SIGKILL),
    "the second process is killed": (1, signal.SIGKILL),
    "the second process stands still": (1, signal.SIGSTOP),
    "the second process gets SIGTERM": (1, signal.SIGTERM),
}
SECONDS = 60
SAID = re.compile(r"^\d\d:\d\d:\d\d (stopped at step .*)$|(Terminating process because .*?);", re.MULTILINE)
"""The log's last word; or JAX's, which ends a process whose partner is gone."""

Pair = list["subprocess.Popen[str]"]


@contextmanager
def started(workdir: Path, overrides: Mapping[str, str]) -> Iterator[Pair]:
    """Two processes of a run, of two devices each, which meet on this machine and do not outlive the context."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"localhost:{free.getsockname()[1]}"
    arguments = [f"--config.{name}={value}" for name, value in overrides.items()]
    command = [sys.executable, "train.py", f"--config={CONFIG}", f"--workdir={workdir}", *arguments]
    environment = os.environ | {"JAX_NUM_CPU_DEVICES": "2", "JAX_PLATFORMS": "cpu"}
    # What Gloo says of its connections goes to the standard output.
    pipes: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    with ExitStack() as ending:
        pair: Pair = []
        for index in range(2):
            named = dict(zip(EXPLICIT, (address, "2", str(index)), strict=True))
            process = subprocess.Popen(command, cwd=ROOT, env=environment | named, **pipes)
            pair.append(ending.enter_context(process))
            ending.callback(process.kill)
        yield pair


def wait_for(path: Path, pair: Pair, seconds: float = 900) -> None:
    """Waits until the processes have made something.

    Raises:
        RuntimeError: one of them ended before, or it took too long; with what they logged.
    """
    deadline = time.monotonic() + seconds
    while not path.exists():
        if time.monotonic() > deadline or any(process.poll() is not None for process in pair):
            for process in pair:
                process.kill()
            raise RuntimeError(f"{path} was not made: {[process.communicate()[1] for process in pair]}")
        time.sleep(0.01)


def outcome(workdir: Path, which: int, number: signal.Signals) -> tuple[int, float, str]:
    """Exit status of the other process, seconds that it took to end, and what it said."""
    with started(workdir, LONG) as pair:
        wait_for(workdir / CHECKPOINTS / "20", pair)
        pair[which].send_signal(number)
        begin = time.monotonic()
        log = pair[1 - which].communicate(timeout=10 * SECONDS)[1]
        seconds, said = time.monotonic() - begin, SAID.findall(log)
        return pair[1 - which].returncode, seconds, "".join(said[-1]) if said else ""


def finish(workdir: Path) -> list[int]:
    """Starts both again; returns their exit statuses."""
    with started(workdir, LONG) as pair:
        for process in pair:
            process.communicate()
        return [process.returncode for process in pair]


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=list(FAULTS), help="one fault; all of them if left out")
    options = parser.parse_args()
    failed = False
    print("| fault | exit status of the other | after seconds | it says | both started again |\n|---|---|---|---|---|")
    for name in [options.only] if options.only else FAULTS:
        with tempfile.TemporaryDirectory(prefix="process_faults_") as folder:
            status, seconds, said = outcome(Path(folder), *FAULTS[name])
            finished = finish(Path(folder))
        print(f"| {name} | {status} | {seconds:.1f} | {said} | {finished} |", flush=True)
        failed |= seconds > SECONDS or not said or finished != [0, 0]
    sys.exit(failed)


if __name__ == "__main__":
    main()
