"""The stages of a run, and the state that each starts from: learn to see, then censor, then refit the decoder."""

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from jaxtyping import PyTree

from conceal_jax.attributes import AttributeSet
from conceal_jax.config import Config, TrainingConfig
from conceal_jax.losses.utility import create_reader, has_reader
from conceal_jax.models.vae import create_model, init_params
from conceal_jax.runs import run_directory
from conceal_jax.runs.checkpoint import restore_run
from conceal_jax.runs.plan import planned_stages
from conceal_jax.runtime.parallel import replicated_like
from conceal_jax.runtime.randomness import Stream, stream_key
from conceal_jax.training.censor_step import begin_adversaries
from conceal_jax.training.parameters import divided
from conceal_jax.training.state import TrainState, begin, create_optimizer, create_state


def censor_schedule(config: Config) -> TrainingConfig:
    """How the censor's training proceeds."""
    settings = config.censor
    return dataclasses.replace(
        config.training,
        steps=settings.steps,
        batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        # Its penalties look at the whole batch at once, and codes take little memory.
        microbatches=1,
    )


def refit_schedule(config: Config) -> TrainingConfig:
    """How the decoder is fitted to codes that no longer change."""
    return dataclasses.replace(config.training, steps=config.censor.refit_steps)


def first_state(config: Config) -> TrainState:
    """The bare VAE before its first step."""
    return create_state(create_model(config, censored=False), create_optimizer(config.training), config)


def censor_state(first_params: PyTree, config: Config, attributes: AttributeSet) -> TrainState:
    """The censor before its first step, beside a VAE that is left as it is."""
    key = stream_key(config.seed, Stream.CENSOR_INITIALISATION)
    params = {"censor": init_params(create_model(config), config, key)["censor"]}
    if has_reader(config.censor):
        first, key = jnp.zeros((1, config.model.latent_dim)), stream_key(config.seed, Stream.READER_INITIALISATION)
        params["reader"] = create_reader(attributes).init(key, first)["params"]
    optimizer = create_optimizer(censor_schedule(config))
    adversary = begin_adversaries(config, attributes)
    return begin(params, first_params, optimizer, config.censor.beta, config.seed, adversary)


def refit_state(params: PyTree, config: Config) -> TrainState:
    """The decoders before they are fitted, beside encoders that are left as they are."""
    trained, frozen = divided(params, lambda path: path[0] == "decoder" or path[:2] == ("censor", "decoder"))
    optimizer = create_optimizer(refit_schedule(config))
    teacher = jax.tree.map(jnp.copy, trained)
    return begin(trained, frozen, optimizer, config.objective.beta, config.seed, teacher=teacher)


def trained_state(workdir: Path, config: Config, attributes: AttributeSet, mesh: Mesh) -> TrainState:
    """The newest state of a run's last stage.

    Raises:
        ValueError: that stage has no checkpoint.
    """
    folder = workdir / planned_stages(config)[-1].folder
    # Shapes are all that is needed; to draw parameters only to replace them takes seconds.
    shapes = jax.eval_shape(lambda: _last_state(config, attributes))
    return restore_run(folder / run_directory.CHECKPOINTS, replicated_like(shapes, mesh))


def _last_state(config: Config, attributes: AttributeSet) -> TrainState:
    """What the last stage would start from if no other one changed anything."""
    state = first_state(config)
    if config.censor.steps:
        state = censor_state(state.ema_params, config, attributes)
    if config.censor.steps and config.censor.refit_steps:
        state = refit_state(state.averaged_model(), config)
    return state
