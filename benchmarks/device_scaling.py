"""What each device does of a training step, by the number of devices that share one global batch.

    python -m benchmarks.device_scaling
    python -m benchmarks.device_scaling --batch=512 --config=configs/utkface.py

Counted by the compiler in the program that each device runs, of the autoencoder's step and of the censor's: floating
point operations, bytes read and written, bytes that it gets from sums and gatherings over all devices, and bytes of
memory besides arguments and results. Nothing is run, and virtual devices do: the table does not depend on how busy or
how fast the machine is.
"""

import argparse
import dataclasses
import math
import os
import re
from collections.abc import Iterable

import jax
import numpy as np
from jaxtyping import PyTree

from conceal_jax.attributes.appearance import APPEARANCE
from conceal_jax.config import Config
from conceal_jax.config import files as config_files
from conceal_jax.models.vae import create_censor, create_model
from conceal_jax.runtime.parallel import Step, create_mesh, map_step, replicate, shard_batch
from conceal_jax.training import stages
from conceal_jax.training.autoencoder_step import bind_autoencoder_step
from conceal_jax.training.censor_step import batch_parts, bind_censor_step
from conceal_jax.training.state import create_optimizer

DEVICES = (1, 2, 4, 8)
WIDTHS = {"pred": 1, "s8": 1, "u8": 1, "bf16": 2, "f16": 2, "s32": 4, "u32": 4, "f32": 4, "s64": 8, "u64": 8, "f64": 8}
COLLECTIVE = re.compile(r"= (.*?) (?:all-reduce|all-gather|reduce-scatter|all-to-all)(?:-start)?\(")
ARRAY = re.compile(r"\b(\w+)\[([\d,]*)\]")


def main() -> None:
    """Prints one table for each of the two steps, and one of what less memory costs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="configs/demo.py", help="configuration file (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=256, help="global batch of both stages (default: %(default)s)")
    options = parser.parse_args()
    # What is counted is settled before machine code is made, and that code is never run.
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_backend_optimization_level=0"
    jax.config.update("jax_num_cpu_devices", max(DEVICES))
    jax.config.update("jax_platforms", "cpu")
    config = config_files.load_config(options.config)
    config = dataclasses.replace(
        config,
        training=dataclasses.replace(config.training, batch_size=options.batch),
        censor=dataclasses.replace(config.censor, batch_size=options.batch, steps=max(config.censor.steps, 1)),
    )
    print_table("step on pictures, devices", ((str(count), pictures(config, count)) for count in DEVICES))
    print_table("censor's step, devices", ((str(count), codes(config, count)) for count in DEVICES))
    print_table("residual blocks, one device", variants(config))


def variants(config: Config) -> Iterable[tuple[str, list[float]]]:
    """What rematerialisation and microbatches change where residual blocks are."""
    blocks = (1,) * len(config.model.widths)
    config = dataclasses.replace(config, model=dataclasses.replace(config.model, blocks=blocks))
    remat = dataclasses.replace(config, model=dataclasses.replace(config.model, remat=True))
    parted = dataclasses.replace(config, training=dataclasses.replace(config.training, microbatches=4))
    both = dataclasses.replace(parted, model=remat.model)
    for name, each in (("plain", config), ("remat", remat), ("4 microbatches", parted), ("both", both)):
        yield name, pictures(each, 1)


def pictures(config: Config, devices: int) -> list[float]:
    """Of the autoencoder's step."""
    size, count = config.data.image_size, config.training.batch_size
    batch = {"image": np.zeros((count, size, size, 3), np.uint8), **_labels(config, count)}
    step = bind_autoencoder_step(
        create_model(config, censored=False), config.attributes, create_optimizer(config.training), config
    )
    shapes = jax.eval_shape(lambda: stages.first_state(config))
    return counts(step, shapes, batch, config, devices, config.training.microbatches)


def codes(config: Config, devices: int) -> list[float]:
    """Of the censor's step."""
    count = config.censor.batch_size * batch_parts(config)
    code = np.zeros((count, config.model.latent_dim), np.float32)
    batch = {"code": code, "curvature": code, **_labels(config, count)}
    optimizer = create_optimizer(stages.censor_schedule(config))
    step = bind_censor_step(create_censor(config), config.attributes, optimizer, config)
    shapes = jax.eval_shape(lambda: stages.censor_state({}, config, config.attributes))
    return counts(step, shapes, batch, config, devices, 1)


def counts(step: Step, shapes: PyTree, batch: PyTree, config: Config, devices: int, microbatches: int) -> list[float]:
    """Of each device: GFLOP, MB accessed, MB of results of collectives, MB of temporary memory."""
    mesh = create_mesh(jax.devices()[:devices])
    state = replicate(jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), shapes), mesh)
    mapped = map_step(step, mesh, config.training.mapping)
    found = mapped.compile(state, shard_batch(batch, mesh)).repeated(microbatches)
    exchanged = 0 if devices == 1 else sum(map(_result_bytes, COLLECTIVE.findall(mapped.program())))
    work = (found.flops or math.nan) / devices / 1e9
    return [work, *((each or 0) / 1e6 for each in (found.bytes_accessed, exchanged, found.temporary_bytes))]


def print_table(title: str, rows: Iterable[tuple[str, list[float]]]) -> None:
    """Prints rows as they come: compiling takes a while."""
    print(f"\n| {title} | GFLOP | MB accessed | MB exchanged | MB temporary |\n|---|---|---|---|---|")
    for name, values in rows:
        print(
            f"| {name} | " + " | ".join(f"{value:.0f}" if value >= 100 else f"{value:.3g}" for value in values) + " |",
            flush=True,
        )


def _labels(config: Config, count: int) -> dict[str, PyTree]:
    labels: dict[str, np.ndarray] = {
        spec.name: np.zeros(count, spec.dtype) for spec in (*config.attributes.all, *APPEARANCE)
    }
    return {"labels": labels, "mask": np.ones(count, bool)}


def _result_bytes(types: str) -> int:
    arrays = ARRAY.findall(types)
    return sum(WIDTHS[kind] * math.prod(int(side) for side in sides.split(",") if side) for kind, sides in arrays)


if __name__ == "__main__":
    main()
