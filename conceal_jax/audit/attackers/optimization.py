"""How the neural attackers are trained: minibatch AdamW on the sum of the targets' balanced losses."""

import dataclasses
import functools
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, PyTree

from conceal_jax.audit.attackers.multitask import TargetArrays, balanced_loss

DeviceExamples = tuple[Array, Array, Array]
"""Inputs [N, ...], labels [N, targets] and weights [N, targets], in device memory."""


@dataclasses.dataclass(frozen=True)
class Training:
    """What is static in the training of a network; hashable, as compiled functions need.

    Attributes:
        model: `model.apply` maps inputs to outputs [batch, targets, width]; it augments from the stream "augment".
        optimizer: of all its parameters.
        class_counts: of each target; 0 for a value.
    """

    model: nn.Module
    optimizer: optax.GradientTransformation
    class_counts: tuple[int, ...]


def device_examples(inputs: np.ndarray, targets: TargetArrays) -> DeviceExamples:
    """Puts inputs and their labels into device memory."""
    return jnp.asarray(inputs), jnp.asarray(targets.labels), jnp.asarray(targets.weights)


@functools.cache
def adamw(learning_rate: float, weight_decay: float, steps: int) -> optax.GradientTransformation:
    """AdamW with a linear warm-up over a twentieth of `steps`, then a cosine decay to zero.

    Cached, so that a second network of the same kind reuses the compiled step.
    """
    schedule = optax.warmup_cosine_decay_schedule(0.0, learning_rate, max(1, steps // 20), max(2, steps))
    return optax.adamw(schedule, weight_decay=weight_decay)


def shuffled_batches(indices: np.ndarray, batch_size: int, generator: np.random.Generator) -> np.ndarray:
    """A random order of `indices` as int [steps, batch]; an incomplete last batch is dropped."""
    order = generator.permutation(indices)
    steps, size = batch_plan(len(order), batch_size)
    return order[: steps * size].reshape(steps, size)


def batch_plan(count: int, batch_size: int) -> tuple[int, int]:
    """Steps in an epoch of `count` examples, and examples in a step."""
    size = min(batch_size, count)
    return count // size, size


@functools.partial(jax.jit, static_argnames="training")
def losses(training: Training, params: PyTree, examples: DeviceExamples) -> Array:
    """Each target's balanced loss over all examples, float32 [targets], without augmentation."""
    inputs, labels, weights = examples
    outputs: Any = training.model.apply(params, inputs)
    return balanced_loss(outputs, labels, weights, np.array(training.class_counts))


def train_epoch(
    training: Training,
    params: PyTree,
    state: optax.OptState,
    examples: DeviceExamples,
    batches: np.ndarray,
    key: Array,
) -> tuple[PyTree, optax.OptState, Array]:
    """One update for each row of `batches` int [steps, batch], indices of examples.

    Returns:
        Parameters, the optimiser's state, and the mean over the steps of the targets' losses, float32 [targets].
    """
    history = []
    # Not a compiled loop over the steps: XLA:CPU runs the convolutions' gradients inside one some 50 times slower.
    for index, batch in enumerate(batches):
        params, state, each = _train_step(training, params, state, examples, batch, jax.random.fold_in(key, index))
        history.append(each)
    return params, state, jnp.stack(history).mean(axis=0)


@functools.partial(jax.jit, static_argnames="training")
def _train_step(
    training: Training, params: PyTree, state: optax.OptState, examples: DeviceExamples, batch: Array, key: Array
) -> tuple[PyTree, optax.OptState, Array]:
    """One update from the examples with the indices `batch`; returns each target's loss too."""
    inputs, labels, weights = (part[batch] for part in examples)

    def total(params: PyTree) -> tuple[Array, Array]:
        outputs: Any = training.model.apply(params, inputs, train=True, rngs={"augment": key})
        each = balanced_loss(outputs, labels, weights, np.array(training.class_counts))
        return each.sum(), each

    gradients, each = jax.grad(total, has_aux=True)(params)
    updates, state = training.optimizer.update(gradients, state, params)
    return optax.apply_updates(params, updates), state, each
