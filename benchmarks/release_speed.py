"""`conceal codes` on a zip of JPEG faces, against its decoder alone and its encoder alone.

    python -m benchmarks.release_speed --model=runs/utkface --json=build/release_speed.json

Synthetic faces, at the model's size, in a temporary zip. "decode" reads and decodes them as the command does, "decode
on every core" in a process on each core at once, which Python's lock does not hold up; "encode" computes codes of
pictures in memory, noise by HMAC included; "codes" does both, and writes shards. "both in turn" is what the cores
would do if they decoded at the rate of the processes and then encoded. All take turns, in processes of their own, and
are timed from when programs are compiled; photos/s, medians over rounds. The peak of memory is of the whole process,
with all photos and with a quarter of them.
"""

import argparse
import json
import resource
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.input_pipeline import write_pictures
from benchmarks.timing import Spread, child_figures, on_every_core, ratio, take_turns, write_json
from conceal_jax.data.archive import open_archive
from conceal_jax.release.concealer import Concealer
from conceal_jax.release.jobs.collection import Work, describe, encode_collection
from conceal_jax.release.jobs.job import Job, open_job
from conceal_jax.release.jobs.pipeline import default_workers
from conceal_jax.runtime.memory import keep_freed_memory

KEY = bytes(range(32))
SHARD_SIZE = 4096
DECODE_EVERYWHERE = "decode on every core"


def main() -> None:
    """Draws the photos, measures, prints and writes the JSON; as a worker, measures one thing."""
    options = _parse()
    if options.work:
        print(json.dumps(measured(options.work, options.photos, options.model)))
        return
    with tempfile.TemporaryDirectory() as folder:
        size = Concealer.load(options.model).image_size
        photos = write_pictures(Path(folder) / "photos.zip", options.count, size)
        quarter = write_pictures(Path(folder) / "quarter.zip", options.count // 4, size)
        child = partial(child_figures, "benchmarks.release_speed", f"--model={options.model}")
        variants = {work: partial(child, f"--photos={photos}", f"--work={work}") for work in WORKS}
        variants[DECODE_EVERYWHERE] = partial(on_every_core, variants["decode"], "photos")
        variants["codes of a quarter"] = partial(child, f"--photos={quarter}", "--work=codes")
        report = summary(take_turns(variants, options.rounds))
    for name, spread in report.items():
        print(f"{name:30} {spread}")
    write_json(options.json, report)


def measured(work: str, photos: Path, model: Path) -> dict[str, float]:
    """Photos/s of one kind of work, and the process's peak of memory in MiB."""
    keep_freed_memory()
    with tempfile.TemporaryDirectory() as folder:
        count, run = WORKS[work](photos, model, Path(folder) / "codes")
        start = time.perf_counter()
        run()
        seconds = time.perf_counter() - start
    return {"photos": count / seconds, "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def summary(rounds: Mapping[str, Mapping[str, list[float]]]) -> dict[str, Spread]:
    """Medians, and `codes` over its parts and over both in turn."""
    photos = {name: figures["photos"] for name, figures in rounds.items()}
    photos["both in turn"] = [
        1 / (1 / decode + 1 / encode)
        for decode, encode in zip(photos[DECODE_EVERYWHERE], photos["encode"], strict=True)
    ]
    return {
        **{f"{work}, photos/s": Spread.of(rates) for work, rates in photos.items()},
        **{
            f"codes over {work}": ratio(photos["codes"], rates) for work, rates in photos.items() if "codes" not in work
        },
        **{f"{name}, peak MiB": Spread.of(rounds[name]["peak_mib"]) for name in ("codes", "codes of a quarter")},
    }


def _job(photos: Path, concealer: Concealer, out: Path) -> Work:
    archive = open_archive(str(photos))
    settings = {"kind": "codes", "format": "npz", **describe(concealer, "none", KEY)}
    job: Job = open_job(out, archive.pictures, settings, shard_size=SHARD_SIZE, key=KEY)
    return Work(job, archive, concealer, "none", KEY, workers=default_workers())


def _codes(photos: Path, model: Path, out: Path) -> tuple[int, Callable[[], object]]:
    concealer = _warm(model)
    work = _job(photos, concealer, out)
    return len(work.archive.pictures), partial(encode_collection, work, "npz")


def _decode(photos: Path, model: Path, out: Path) -> tuple[int, Callable[[], object]]:
    work = _job(photos, Concealer.load(model), out)
    return len(work.archive.pictures), lambda: [None for _ in work.batches()]


def _encode(photos: Path, model: Path, out: Path) -> tuple[int, Callable[[], object]]:
    concealer = _warm(model)
    pictures = np.concatenate([batch.photos.pictures for batch in _job(photos, concealer, out).batches()])
    return len(pictures), partial(concealer.encode, pictures, KEY)


WORKS = {"decode": _decode, "encode": _encode, "codes": _codes}


def _warm(model: Path) -> Concealer:
    concealer = Concealer.load(model)
    side = concealer.image_size
    concealer.encode(np.zeros((1, side, side, 3), np.uint8), KEY)
    return concealer


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", metavar="RUN", type=Path, required=True, help="run directory or exported folder")
    parser.add_argument("--count", type=int, default=20000, help="of photos")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--work", choices=WORKS, help=argparse.SUPPRESS)
    parser.add_argument("--photos", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
