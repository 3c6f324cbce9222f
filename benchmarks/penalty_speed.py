"""What the penalties cost: the time of a censor's step with each of them, and of whole training with it.

    python -m benchmarks.penalty_speed

Random codes and labels in the shapes of `configs/utkface.py`; variants take turns, and medians over rounds are printed,
so that a busy machine slows all of them alike. A bare run's time is that of its steps on pictures and of a censor
without penalties.
"""

import argparse
import json
import statistics
import time

import jax
import numpy as np

from conceal_jax.attributes import Categorical
from conceal_jax.attributes.appearance import APPEARANCE
from conceal_jax.config import Config
from conceal_jax.config import files as config_files
from conceal_jax.data.resident import Resident
from conceal_jax.models.vae import create_censor, create_model
from conceal_jax.runtime.memory import keep_freed_memory
from conceal_jax.runtime.parallel import create_mesh, replicate
from conceal_jax.training import stages
from conceal_jax.training.autoencoder_step import bind_train_step
from conceal_jax.training.censor_step import batch_parts, bind_censor_step
from conceal_jax.training.codes import CodeSet
from conceal_jax.training.feed import ResidentFeed
from conceal_jax.training.state import TrainState, create_optimizer

PEOPLE = 8192
PENALTIES = ("none", "adversary", "hsic", "moments", "contrastive", "marginal_kl")


class Runner:
    """A training step with its state and data, run a few steps at a time."""

    def __init__(self, feed: ResidentFeed, state: TrainState) -> None:
        self._feed, self._state, self._step = feed, state, 0
        self.milliseconds(2)

    def milliseconds(self, steps: int) -> float:
        """Time of a step, by the mean of a few."""
        start = time.perf_counter()
        for _ in range(steps):
            self._state, _, _ = self._feed.advance(self._state, self._step, 1)
            self._step += 1
        jax.block_until_ready(self._state)
        return (time.perf_counter() - start) / steps * 1e3


def censor_runner(config: Config) -> Runner:
    """A censor's steps on random codes."""
    generator, dim = np.random.default_rng(0), config.model.latent_dim
    codes = generator.normal(size=(PEOPLE, 2, dim)).astype(np.float32)
    items = CodeSet(codes, np.full(codes.shape, 50, np.float32), _labels(config), np.ones(PEOPLE, bool))
    optimizer, mesh = create_optimizer(stages.censor_schedule(config)), create_mesh()
    step = bind_censor_step(create_censor(config), config.attributes, optimizer, config)
    feed = ResidentFeed(items, step, config.censor.batch_size * batch_parts(config), config, mesh)
    first = stages.first_state(config).params
    return Runner(feed, replicate(stages.censor_state(first, config, config.attributes), mesh))


def picture_runner(config: Config) -> Runner:
    """The first stage's steps on random pictures."""
    size = config.data.image_size
    images = np.random.default_rng(0).integers(0, 256, (2048, size, size, 3), np.uint8)
    items = Resident(images, {name: values[:2048] for name, values in _labels(config).items()}, np.ones(2048, bool))
    model, mesh = create_model(config, censored=False), create_mesh()
    step = bind_train_step(model, config.attributes, create_optimizer(config.training), config)
    feed = ResidentFeed(items, step, config.training.batch_size, config, mesh)
    return Runner(feed, replicate(stages.first_state(config), mesh))


def _labels(config: Config) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(1)
    return {
        spec.name: generator.integers(0, spec.width, PEOPLE).astype(np.int32)
        if isinstance(spec, Categorical)
        else generator.uniform(spec.low, spec.high, PEOPLE).astype(np.float32)
        for spec in (*config.attributes.all, *APPEARANCE)
    }


def main() -> None:
    """Measures and prints one line of JSON for each penalty."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=10, help="in each round")
    options = parser.parse_args()
    config = config_files.load_config("configs/utkface.py", {"data.path": "-"})
    keep_freed_memory()
    runners = {"picture": picture_runner(config)}
    for name in PENALTIES:
        overrides = {f"penalty.{each}": "1" if each == name else "0" for each in PENALTIES[1:]}
        runners[name] = censor_runner(config_files.override(config, overrides))
    rounds = [
        {name: runner.milliseconds(options.steps) for name, runner in runners.items()} for _ in range(options.rounds)
    ]
    median = {name: statistics.median(each[name] for each in rounds) for name in runners}
    pictures = median["picture"] * (config.training.steps + config.censor.refit_steps)
    bare = pictures + median["none"] * config.censor.steps
    for name in PENALTIES:
        whole = pictures + median[name] * config.censor.steps
        print(
            json.dumps(
                {
                    "penalty": name,
                    "censor_step_ms": round(median[name], 1),
                    "picture_step_ms": round(median["picture"], 1),
                    "training_s": round(whole / 1e3),
                    "training_over_bare": round(whole / bare, 3),
                }
            )
        )


if __name__ == "__main__":
    main()
