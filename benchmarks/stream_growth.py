"""Start-up and memory of streamed training, by the number of pictures and of steps.

    python -m benchmarks.stream_growth --counts 1000 100000 1000000 --steps=10000

Trains a tiny network with `data.loader=stream` on a zip of small pictures and a CSV of labels, made in a temporary
folder; halfway, it is evaluated on the tenth of them that is for validation. Prints a row for each number of pictures:
seconds, and processor seconds, until the first batch has come and a step is compiled; and the resident memory of the
process (MiB) there and at parts of the steps.
"""

import argparse
import io
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from conceal_jax.runs.run_directory import METRICS

ROOT = Path(__file__).parents[1]
PARTS = (0.1, 0.25, 0.5, 0.75, 0.95)
COMPILED = "a step is compiled"
OVERRIDES = {
    "attributes.concealed": '[{"kind": "categorical", "name": "gender", "classes": ["male", "female"]}]',
    "attributes.kept": "[]",
    "penalty.attribute_weights": "()",
    "data.source": "folder",
    "data.loader": "stream",
    "model.widths": "(8,)",
    "model.blocks": "(0,)",
    "model.patch": "8",
    "training.batch_size": "16",
    "training.log_every": "100",
    "evaluation.batch_size": "256",
    "censor.steps": "0",
}


def write_records(folder: Path, count: int) -> None:
    """`records.zip` of PNGs of a few colours, no two files alike, and `labels.csv`."""
    pictures = list(_pictures())
    draw = random.Random(0)
    with zipfile.ZipFile(folder / "records.zip", "w") as archive, open(folder / "labels.csv", "w") as labels:
        labels.write("filename,gender\n")
        for index in range(count):
            # What follows the end of a picture is not looked at.
            archive.writestr(f"{index:07}.png", draw.choice(pictures) + index.to_bytes(4))
            labels.write(f"{index:07}.png,{draw.choice(('male', 'female'))}\n")


def grow(folder: Path, steps: int) -> list[float]:
    """Trains on the records of a folder; returns seconds and processor seconds of the start, and MiB from there on."""
    settings = OVERRIDES | {"data.path": f"{folder}/records.zip", "data.labels": f"{folder}/labels.csv"}
    settings |= {f"training.{name}": str(steps) for name in ("steps", "checkpoint_every", "pictures_every")}
    settings["training.evaluate_every"] = str(steps // 2)
    overrides = [f"--config.{name}={value}" for name, value in settings.items()]
    command = [sys.executable, "train.py", "--config=configs/demo.py:shrunken", f"--workdir={folder}/run", *overrides]
    begin = time.monotonic()
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        try:
            _wait_until_compiled(process)
            found = [time.monotonic() - begin, _processor_seconds(process.pid), _memory_mib(process.pid)]
            for part in PARTS:
                while _lines(folder / "run" / METRICS) < part * steps / 100:
                    if process.poll() is not None:
                        raise RuntimeError(f"training ended with {process.returncode}")
                    time.sleep(0.05)
                found.append(_memory_mib(process.pid))
        finally:
            process.kill()
    return found


def _wait_until_compiled(process: "subprocess.Popen[str]") -> None:
    log = []
    assert process.stderr is not None
    for line in process.stderr:
        log.append(line)
        if COMPILED in line:
            return
    raise RuntimeError("".join(log))


def _pictures() -> Iterator[bytes]:
    generator = np.random.default_rng(0)
    for _ in range(200):
        colours = Image.fromarray(generator.integers(0, 256, (4, 4, 3), np.uint8))
        content = io.BytesIO()
        colours.resize((32, 32), Image.Resampling.NEAREST).save(content, "PNG")
        yield content.getvalue()


def _processor_seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory_mib(process: int) -> float:
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


def _lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--counts", type=int, nargs="+", default=[1000, 100_000, 1_000_000], help="of pictures")
    parser.add_argument("--steps", type=int, default=10_000)
    options = parser.parse_args()
    at = [f"MiB at step {round(part * options.steps):,}" for part in (0.0, *PARTS)]
    print(f"| pictures | start, s | start, processor s | {' | '.join(at)} |\n|{'---|' * (len(at) + 3)}")
    for count in options.counts:
        with tempfile.TemporaryDirectory(prefix="stream_growth_") as folder:
            write_records(Path(folder), count)
            seconds, processor, *memory = grow(Path(folder), options.steps)
        values = " | ".join(f"{value:.0f}" for value in memory)
        print(f"| {count:,} | {seconds:.1f} | {processor:.1f} | {values} |", flush=True)


if __name__ == "__main__":
    main()
