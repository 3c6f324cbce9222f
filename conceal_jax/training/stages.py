"""The stages of a run as values: what each trains, from which state, by which step, on which batches.

Which stages a run has, where, and how long: `conceal_jax.runs.plan`.
"""

import dataclasses
from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from conceal_jax.attributes import AttributeSet
from conceal_jax.config import Config, TrainingConfig
from conceal_jax.losses.utility import create_reader, has_reader
from conceal_jax.models.vae import VAE, create_censor, create_model, init_params
from conceal_jax.runs.plan import PlannedStage, planned_stages
from conceal_jax.runtime.parallel import Step
from conceal_jax.runtime.randomness import Stream, stream_key
from conceal_jax.training.autoencoder_step import bind_autoencoder_step
from conceal_jax.training.censor_step import batch_parts, begin_adversaries, bind_censor_step
from conceal_jax.training.feed import Feed, Pictures
from conceal_jax.training.parameter_split import divided
from conceal_jax.training.refit_step import bind_refit_step
from conceal_jax.training.state import TrainState, begin, create_optimizer, create_state

FeedOf = Callable[[Pictures, TrainState | None, int], Feed]
"""Of the training pictures, the previous stage's last state, and the step to start at."""


@dataclasses.dataclass(frozen=True)
class Stage:
    """One stage of training.

    Attributes:
        name, folder: see `PlannedStage`.
        schedule: its steps, optimiser and intervals.
        model: that is evaluated while the stage trains.
        initial_state: a pure function of the previous stage's averaged parameters; None for the first stage.
        step: `step(state, batch, axis_name=...) -> (state, sums)`.
        feed: what runs the step on the stage's batches.
    """

    name: str
    folder: str
    schedule: TrainingConfig
    model: VAE
    initial_state: Callable[[PyTree], TrainState]
    step: Step
    feed: FeedOf


def create_stages(config: Config, attributes: AttributeSet) -> tuple[Stage, ...]:
    """The stages that a configuration asks for, in their order."""
    create = {"autoencoder": _autoencoder, "censor": _censor, "refit": _refit}
    return tuple(create[planned.name](planned, config, attributes) for planned in planned_stages(config))


def _autoencoder(planned: PlannedStage, config: Config, attributes: AttributeSet) -> Stage:
    model = create_model(config, censored=False)
    step = bind_autoencoder_step(model, attributes, create_optimizer(config.training), config)

    def initial_state(previous: PyTree) -> TrainState:
        del previous
        return first_state(config)

    return Stage(
        planned.name, planned.folder, config.training, model, initial_state, step, partial(_picture_feed, step)
    )


def _censor(planned: PlannedStage, config: Config, attributes: AttributeSet) -> Stage:
    schedule = censor_schedule(config)
    step = bind_censor_step(create_censor(config), attributes, create_optimizer(schedule), config)
    initial_state = partial(censor_state, config=config, attributes=attributes)

    def feed(pictures: Pictures, previous: TrainState | None, start_step: int) -> Feed:
        del start_step
        assert previous is not None, "the autoencoder comes before the censor"
        encoder, beta = create_model(config, censored=False), float(np.exp(previous.log_beta))
        batch_size = schedule.batch_size * batch_parts(config)
        return pictures.code_feed(step, encoder, previous.averaged_model(), beta, batch_size)

    return Stage(planned.name, planned.folder, schedule, create_model(config), initial_state, step, feed)


def _refit(planned: PlannedStage, config: Config, attributes: AttributeSet) -> Stage:
    schedule, model = refit_schedule(config), create_model(config)
    step = bind_refit_step(model, attributes, create_optimizer(schedule), config)
    initial_state = partial(refit_state, config=config)
    return Stage(planned.name, planned.folder, schedule, model, initial_state, step, partial(_picture_feed, step))


def _picture_feed(step: Step, pictures: Pictures, previous: TrainState | None, start_step: int) -> Feed:
    del previous
    return pictures.feed(start_step, step)


def censor_schedule(config: Config) -> TrainingConfig:
    """How the censor's training proceeds."""
    settings = config.censor
    return dataclasses.replace(
        config.training,
        steps=settings.steps,
        batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        # Codes take little memory.
        microbatches=1,
    )


def refit_schedule(config: Config) -> TrainingConfig:
    """How the decoders are fitted to codes that no longer change."""
    return dataclasses.replace(config.training, steps=config.censor.refit_steps)


def first_state(config: Config) -> TrainState:
    """The autoencoder before its first step."""
    return create_state(create_model(config, censored=False), create_optimizer(config.training), config)


def censor_state(autoencoder: PyTree, config: Config, attributes: AttributeSet) -> TrainState:
    """The censor before its first step, beside the parameters of an autoencoder that is left as it is."""
    key = stream_key(config.seed, Stream.CENSOR_INITIALISATION)
    params = {"censor": init_params(create_model(config), config, key)["censor"]}
    if has_reader(config.censor):
        codes, key = jnp.zeros((1, config.model.latent_dim)), stream_key(config.seed, Stream.READER_INITIALISATION)
        params["reader"] = create_reader(attributes).init(key, codes)["params"]
    optimizer = create_optimizer(censor_schedule(config))
    adversary = begin_adversaries(config, attributes)
    return begin(params, autoencoder, optimizer, config.censor.beta, config.seed, adversary)


def refit_state(params: PyTree, config: Config) -> TrainState:
    """The decoders before they are fitted, beside encoders that are left as they are."""
    trained, frozen = divided(params, lambda path: path[0] == "decoder" or path[:2] == ("censor", "decoder"))
    optimizer = create_optimizer(refit_schedule(config))
    teacher = jax.tree.map(jnp.copy, trained)
    return begin(trained, frozen, optimizer, config.objective.beta, config.seed, teacher=teacher)
