"""The project's own training step and encoding, on random pictures, as work to be timed."""

import jax
import numpy as np

from benchmarks.timing import ROOT, Work
from conceal_jax.attributes import Categorical
from conceal_jax.config import Config
from conceal_jax.config import files as config_files
from conceal_jax.data.resident import Resident
from conceal_jax.models.vae import create_model, init_params
from conceal_jax.release.encode import encode_pictures
from conceal_jax.runtime.parallel import create_mesh, replicate
from conceal_jax.training.autoencoder_step import bind_autoencoder_step
from conceal_jax.training.feed import ResidentFeed
from conceal_jax.training.metrics import merge_sums
from conceal_jax.training.state import create_optimizer, create_state

NETWORKS: dict[str, dict[str, str]] = {
    "default": {},
    "convolutional": {"model.network": "convolutional", "model.widths": "(32, 64, 128, 256, 512)"},
}
"""What they change of a configuration."""

CONFIG = "configs/utkface.py"


def load_config(file: str, overrides: dict[str, str] | None = None) -> Config:
    """A shipped configuration that is not going to read its pictures."""
    return config_files.load_config(str(ROOT / file), {"data.path": "-", **(overrides or {})})


def random_pictures(config: Config, count: int) -> Resident:
    """A training set of noise."""
    generator, size = np.random.default_rng(0), config.data.image_size
    labels = {
        spec.name: generator.integers(0, spec.width, count).astype(np.int32)
        if isinstance(spec, Categorical)
        else generator.uniform(spec.low, spec.high, count).astype(np.float32)
        for spec in config.attributes.all
    }
    return Resident(generator.integers(0, 256, (count, size, size, 3), np.uint8), labels, np.ones(count, bool))


def training_set_size(config: Config) -> int:
    """Enough for epochs of several steps, also where a call runs several."""
    return max(2048, config.training.steps_per_call * config.training.batch_size)


class Training:
    """Steps of the autoencoder's stage, fed and summed up as the training loop does."""

    def __init__(self, config: Config) -> None:
        model, mesh = create_model(config, censored=False), create_mesh()
        optimizer, batch_size = create_optimizer(config.training), config.training.batch_size
        step = bind_autoencoder_step(model, config.attributes, optimizer, config)
        self._feed = ResidentFeed(random_pictures(config, training_set_size(config)), step, batch_size, config, mesh)
        self._state = replicate(create_state(model, optimizer, config), mesh)
        self._step = 0

    def __call__(self, steps: int) -> None:
        """See `timing.Work`."""
        end, window = self._step + steps, None
        while self._step < end:
            with jax.transfer_guard("disallow"):
                self._state, sums, count = self._feed.advance(self._state, self._step, end - self._step)
                window = sums if window is None else merge_sums(window, sums)
            self._step += count
        jax.block_until_ready((self._state, window))


def encoding(config: Config, batch_size: int) -> Work:
    """Batches of pictures in the host's memory to codes there."""
    model = create_model(config, censored=False)
    params = init_params(model, config, jax.random.key(0))
    pool = random_pictures(config, max(1, 2048 // batch_size) * batch_size).images

    def encode(batches: int) -> None:
        left = batches * batch_size
        while left > 0:
            encode_pictures(model, params, pool[:left], jax.random.key(1), batch_size)
            left -= len(pool)

    return encode


def lowered_step(config: Config) -> jax.stages.Lowered:
    """The training step on one device, on a batch that comes from outside."""
    model, optimizer = create_model(config, censored=False), create_optimizer(config.training)
    step = jax.jit(bind_autoencoder_step(model, config.attributes, optimizer, config), static_argnames="axis_name")
    pictures = random_pictures(config, config.training.batch_size)
    batch = {"image": pictures.images, "labels": pictures.labels, "mask": pictures.valid}
    return step.lower(create_state(model, optimizer, config), batch)


def xla_count(program: jax.stages.Lowered | jax.stages.Compiled, what: str) -> float:
    """How many "flops" or "bytes accessed" XLA counts in a program.

    Raises:
        RuntimeError: this backend counts none.
    """
    counts = program.cost_analysis()
    if counts is None or what not in counts:
        raise RuntimeError(f"XLA counts no {what} on {jax.default_backend()}")
    return counts[what]


def matrix_product(size: int, dtype: str = "float32") -> tuple[Work, float]:
    """A product of square matrices, and its FLOPs."""
    matrix = jax.random.normal(jax.random.key(0), (size, size), dtype)
    product = jax.jit(lambda left, right: left @ right)

    def multiply(times: int) -> None:
        for _ in range(times):
            last = product(matrix, matrix)
        last.block_until_ready()

    return multiply, 2.0 * size**3
