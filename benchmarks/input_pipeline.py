"""The streaming path, JPEG files to arrays on the devices, against the bare decoder and against what training consumes.

    python -m benchmarks.input_pipeline --json=build/input_pipeline.json

Synthetic faces as 64x64 JPEGs in a temporary zip. The bare decoder is Pillow on bytes in memory, in one process on each
core. All take turns, in processes of their own; images/s, medians over rounds.
"""

import argparse
import io
import json
import tempfile
import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import jax
import numpy as np
from PIL import Image

from benchmarks.jax_workloads import load_config
from benchmarks.timing import Spread, Work, child_figures, on_every_core, rate, ratio, take_turns, write_json
from benchmarks.train_speed import shape_arguments
from benchmarks.worker import add_shape_options
from conceal_jax.config import Config
from conceal_jax.data.archive import open_archive
from conceal_jax.data.sources.open import open_collection
from conceal_jax.data.synthetic.factors import draw_factors, render_faces
from conceal_jax.runtime.memory import keep_freed_memory
from conceal_jax.runtime.parallel import create_mesh, shard_batch


def main() -> None:
    """Draws the pictures, measures, prints and writes the JSON; as a worker, measures one thing."""
    options = _parse()
    if options.work:
        keep_freed_memory()
        config = load_config(options.config, {"data.path": options.pictures, "training.batch_size": str(options.batch)})
        work = streaming(config) if options.work == "stream" else decoding(options.pictures, options.batch)
        print(json.dumps({"images": rate(work, options.seconds) * options.batch}))
        return
    with tempfile.TemporaryDirectory() as folder:
        size = load_config(options.config).data.image_size
        pictures = write_pictures(Path(folder) / "faces.zip", options.count, size)
        child = partial(_child, pictures, options)
        variants = {
            "stream": partial(child, "stream"),
            "decoder": partial(on_every_core, partial(child, "decoder"), "images"),
            "step": partial(_step, options),
        }
        rounds = take_turns(variants, options.rounds)
    images = {name: figures["images"] for name, figures in rounds.items()}
    report = {name: Spread.of(values) for name, values in images.items()}
    report |= {f"stream_over_{name}": ratio(images["stream"], images[name]) for name in ("step", "decoder")}
    for name, spread in report.items():
        print(f"{name:20} {spread}")
    write_json(options.json, report)


def write_pictures(path: Path, count: int, size: int) -> Path:
    """A zip of synthetic faces as JPEGs (quality 90), with the labels in their names as UTKFace has them."""
    factors = draw_factors(count, seed=0)
    labels = np.stack([factors[name] for name in ("age", "gender", "ethnicity")], axis=1).astype(int)
    with zipfile.ZipFile(path, "w") as archive:
        for index, (face, (age, gender, race)) in enumerate(zip(render_faces(factors, 0, size), labels, strict=True)):
            content = io.BytesIO()
            Image.fromarray(face).save(content, "JPEG", quality=90)
            archive.writestr(f"{age}_{gender}_{race}_{index:017}.jpg.chip.jpg", content.getvalue())
    return path


def streaming(config: Config) -> Work:
    """Batches to device arrays, as the training loop takes them."""
    # TensorFlow is slow to import, and the other workers do without.
    from conceal_jax.data.stream import train_batches

    data, mesh = config.data, create_mesh()
    batches = train_batches(
        open_collection(data, config.attributes, config.seed),
        data,
        batch_size=config.training.batch_size,
        seed=config.seed,
    )

    def stream(count: int) -> None:
        for _ in range(count):
            jax.block_until_ready(shard_batch(next(batches), mesh))

    return stream


def decoding(pictures: str, batch_size: int) -> Work:
    """Batches of files in memory to arrays in memory."""
    archive = open_archive(pictures)
    contents = [archive.read(path) for path in archive.pictures]
    files = _endless(contents)

    def decode(batches: int) -> None:
        for _ in range(batches * batch_size):
            np.asarray(Image.open(io.BytesIO(next(files))))

    return decode


def _endless(contents: list[bytes]) -> Iterator[bytes]:
    while True:
        yield from contents


def _child(pictures: Path, options: argparse.Namespace, work: str) -> dict[str, float]:
    arguments = (f"--work={work}", f"--pictures={pictures}", *shape_arguments(options))
    return child_figures("benchmarks.input_pipeline", *arguments)


def _step(options: argparse.Namespace) -> dict[str, float]:
    figures = child_figures("benchmarks.worker", "--work=train", *shape_arguments(options))
    return {"images": figures["train"]}


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=4096, help="of pictures")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--work", choices=("stream", "decoder"), help=argparse.SUPPRESS)
    parser.add_argument("--pictures", help=argparse.SUPPRESS)
    add_shape_options(parser)
    return parser.parse_args()


if __name__ == "__main__":
    main()
