"""Versions and devices, and the time of one training step on synthetic faces.

examples:
  conceal doctor
"""

import argparse
import platform
import time
from importlib.metadata import PackageNotFoundError, version

import jax

from conceal_jax.attributes import AttributeSet, Categorical
from conceal_jax.commands.exit_codes import ExitCode
from conceal_jax.config import Config
from conceal_jax.data.synthetic.factors import draw_factors, render_faces
from conceal_jax.models.vae import create_model
from conceal_jax.runtime.memory import keep_freed_memory
from conceal_jax.runtime.parallel import create_mesh, map_step, replicate, shard_batch
from conceal_jax.training.autoencoder_step import bind_autoencoder_step
from conceal_jax.training.stages import first_state
from conceal_jax.training.state import create_optimizer
from conceal_jax.version import __version__

_PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy", "pillow")
_OPTIONAL = ("tensorflow", "tensorflow-cpu", "tensorflow-datasets", "pyarrow", "opencv-python-headless")
_STEPS = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command: a batch size."""
    parser.add_argument("--batch-size", type=int, default=64, help="pictures a step (default: %(default)s)")


def run(options: argparse.Namespace) -> ExitCode:
    """Does what the command says."""
    keep_freed_memory()
    print(f"conceal_jax {__version__}, Python {platform.python_version()}, {platform.platform()}")
    print(", ".join(f"{name} {_version(name)}" for name in _PACKAGES))
    print("optional: " + ", ".join(f"{name} {_version(name)}" for name in _OPTIONAL))
    devices = jax.devices()
    print(f"{len(devices)} {devices[0].platform} device(s): {', '.join(sorted({d.device_kind for d in devices}))}")
    config = Config(AttributeSet((Categorical("gender", ("male", "female")),)))
    size = config.data.image_size
    compiling, step = time_step(config, options.batch_size)
    print(
        f"a training step on {options.batch_size} pictures of {size}x{size}: {1000 * step:.0f} ms "
        f"({options.batch_size / step:.0f} images/s), compiled in {compiling:.1f} s"
    )
    return ExitCode.DONE


def time_step(config: Config, batch_size: int) -> tuple[float, float]:
    """Seconds that compiling a run's training step takes, and that one step takes on all devices.

    Args:
        config: of a run whose one attribute is called gender.
        batch_size: pictures a step; a multiple of the number of devices.
    """
    mesh = create_mesh()
    factors = draw_factors(batch_size, seed=0)
    batch = {
        "image": render_faces(factors, seed=0, size=config.data.image_size),
        "labels": {"gender": factors["gender"].astype("int32")},
        "mask": factors["gender"] >= 0,
    }
    model = create_model(config, censored=False)
    step = bind_autoencoder_step(model, config.attributes, create_optimizer(config.training), config)
    mapped = map_step(step, mesh, config.training.mapping)
    state, sharded = replicate(first_state(config), mesh), shard_batch(batch, mesh)
    start = time.perf_counter()
    state, _ = jax.block_until_ready(mapped(state, sharded))
    compiled = time.perf_counter()
    for _ in range(_STEPS):
        state, _ = mapped(state, sharded)
    jax.block_until_ready(state)
    return compiled - start, (time.perf_counter() - compiled) / _STEPS


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"
