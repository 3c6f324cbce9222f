"""Seconds from the start of `train.py` until its first training step is done, with and without compiled programs.

    python -m benchmarks.start_up --json=build/start_up.json

On the resident path: as many synthetic 64x64 JPEGs as UTKFace has are decoded first. "cold" finds no compiled program,
"warm" those of the cold start before it. The first step is done when its figures are in `metrics.jsonl`; the process is
ended then. Medians over rounds, after a start that is not counted: in it, Python compiles the modules it imports.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from benchmarks.input_pipeline import write_pictures
from benchmarks.jax_workloads import CONFIG, load_config
from benchmarks.timing import ROOT, Spread, write_json
from conceal_jax.training.metrics import read_metrics


def main() -> None:
    """Draws the pictures, measures, prints and writes the JSON."""
    options = _parse()
    with tempfile.TemporaryDirectory() as folder:
        pictures = write_pictures(
            Path(folder) / "faces.zip", options.count, load_config(options.config).data.image_size
        )
        modules = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(Path(folder) / "modules")}
        start = partial(seconds_to_first_step, options.config, pictures, modules)
        cold_and_warm(start, Path(folder) / "uncounted")
        pairs = [cold_and_warm(start, Path(folder) / str(index)) for index in range(options.rounds)]
    cold, warm = zip(*pairs, strict=True)
    report = {"cold, s": Spread.of(cold), "warm, s": Spread.of(warm)}
    for name, spread in report.items():
        print(f"{name:10} {spread}")
    write_json(options.json, report)


def cold_and_warm(start: partial[float], folder: Path) -> tuple[float, float]:
    """Seconds of two starts, the second of which finds the programs of the first."""
    return start(folder / "cold", folder), start(folder / "warm", folder)


def seconds_to_first_step(
    config: str, pictures: Path, environment: Mapping[str, str], workdir: Path, caches: Path
) -> float:
    """Starts a run that keeps its programs in the folder `caches`, and ends it after its first step.

    Raises:
        RuntimeError: it ended before; its own message went to the terminal.
    """
    command = [sys.executable, "train.py", f"--config={config}", f"--config.data.path={pictures}"]
    command += [f"--workdir={workdir}", "--config.training.log_every=1"]
    begin = time.perf_counter()
    with subprocess.Popen(command, cwd=ROOT, env={**os.environ, **environment, "XDG_CACHE_HOME": str(caches)}) as run:
        try:
            while not read_metrics(workdir / "metrics.jsonl"):
                if run.poll() is not None:
                    raise RuntimeError(f"{' '.join(command[1:])} ended with exit status {run.returncode}")
                time.sleep(0.02)
            return time.perf_counter() - begin
        finally:
            run.kill()


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default=CONFIG, help="FILE, or FILE:shrunken")
    parser.add_argument("--count", type=int, default=21326, help="of pictures")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", metavar="FILE")
    return parser.parse_args()


if __name__ == "__main__":
    main()
