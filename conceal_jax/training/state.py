"""The training state, its optimiser, and how both begin."""

from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, PRNGKeyArray, PyTree

from conceal_jax.config import Config, TrainingConfig
from conceal_jax.models.vae import VAE, init_params
from conceal_jax.runtime.randomness import Stream, stream_key
from conceal_jax.training.parameter_split import joined


class TrainState(flax.struct.PyTreeNode):
    """Everything that training carries from step to step; what a checkpoint holds.

    A tree of this form may also hold shapes (a checkpoint's target), so its leaves are not typed as arrays.

    Attributes:
        step: int32 [], updates done so far; also the position in the data.
        params: float32 parameters.
        ema_params: their running average, used in evaluation.
        opt_state: of the optimiser.
        log_beta: float32 [], logarithm of the rate's weight, a multiplier when there is a rate target.
        seed: uint32 [], of the run; with the step it determines all randomness.
        frozen: parameters of the model that this stage of training leaves as they are.
        adversary: `AdversaryState`, where adversaries train along.
        teacher: parameters, in place of those that are trained, of the model that draws concealed pictures.
    """

    step: Any
    params: PyTree
    ema_params: PyTree
    opt_state: PyTree
    log_beta: Any
    seed: Any
    frozen: PyTree
    adversary: Any = None
    teacher: Any = None

    def key(self, stream: Stream) -> PRNGKeyArray:
        """The key of a stream at this step."""
        return stream_key(self.seed, stream, self.step)

    def averaged_model(self) -> PyTree:
        """All parameters of the model, those that are trained by their average."""
        return joined(self.frozen, self.ema_params)


def updated(
    state: TrainState, gradients: PyTree, optimizer: optax.GradientTransformation, ema_decay: float
) -> TrainState:
    """The state after a step down the gradients."""
    updates, opt_state = optimizer.update(gradients, state.opt_state, state.params)
    params = optax.apply_updates(state.params, updates)
    # Over fewer steps at first, so that the random start is forgotten (as in TensorFlow's moving average).
    decay = jnp.minimum(ema_decay, (1.0 + state.step) / (10.0 + state.step))
    averages = optax.incremental_update(params, state.ema_params, 1.0 - decay)
    return state.replace(step=state.step + 1, params=params, ema_params=averages, opt_state=opt_state)


def create_optimizer(config: TrainingConfig) -> optax.GradientTransformation:
    """AdamW behind gradient clipping, with linear warm-up and a cosine to zero at the last step."""
    schedule = optax.warmup_cosine_decay_schedule(
        init_value=0.0,
        peak_value=config.learning_rate,
        warmup_steps=config.warmup_steps,
        decay_steps=max(config.steps, config.warmup_steps + 1),
    )
    return optax.chain(
        optax.clip_by_global_norm(config.clip_norm),
        optax.adamw(schedule, weight_decay=config.weight_decay, mask=_decayed),
    )


def _decayed(params: PyTree) -> PyTree:
    """Weight decay acts on matrices and kernels, not on biases, norms and scales."""
    return jax.tree.map(lambda leaf: leaf.ndim > 1, params)


def create_state(model: VAE, optimizer: optax.GradientTransformation, config: Config) -> TrainState:
    """The state before the first step, a function of the configuration alone."""
    params = init_params(model, config, stream_key(config.seed, Stream.INITIALISATION))
    return begin(params, {}, optimizer, config.objective.beta, config.seed)


def begin(
    params: PyTree,
    frozen: PyTree,
    optimizer: optax.GradientTransformation,
    beta: float | Array,
    seed: int | Array,
    adversary: PyTree = None,
    teacher: PyTree = None,
) -> TrainState:
    """The state before the first step of a stage that trains `params` beside `frozen` ones."""
    return TrainState(
        step=jnp.int32(0),
        params=params,
        ema_params=jax.tree.map(jnp.copy, params),
        opt_state=optimizer.init(params),
        log_beta=jnp.log(jnp.float32(beta)),
        seed=jnp.uint32(seed),
        frozen=frozen,
        adversary=adversary,
        teacher=teacher,
    )
