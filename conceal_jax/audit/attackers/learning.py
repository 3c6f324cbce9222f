"""How the networks among the attackers learn: AdamW on the sum of the targets' balanced losses."""

import functools
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, PyTree

from conceal_jax.audit.attackers.questions import QuestionSheet, balanced_loss
from conceal_jax.runtime.compiler import fast_jit

DeviceExamples = tuple[Array, Array, Array]
"""Inputs [N, ...], labels [N, targets] and weights [N, targets], in device memory."""


def device_examples(inputs: np.ndarray, sheet: QuestionSheet) -> DeviceExamples:
    """Puts inputs and their labels into device memory."""
    return jnp.asarray(inputs), jnp.asarray(sheet.labels), jnp.asarray(sheet.weights)


@functools.cache
def adamw(learning_rate: float, weight_decay: float, steps: int) -> optax.GradientTransformation:
    """AdamW, warmed up over a twentieth of `steps`, then a cosine to zero.

    Cached, so that a second network of the same kind finds the first one's compiled step.
    """
    schedule = optax.warmup_cosine_decay_schedule(0.0, learning_rate, max(1, steps // 20), max(2, steps))
    return optax.adamw(schedule, weight_decay=weight_decay)


def shuffled_batches(indices: np.ndarray, batch_size: int, generator: np.random.Generator) -> np.ndarray:
    """A random order of `indices` as int [steps, batch]; those that fill no batch wait for another epoch."""
    order = generator.permutation(indices)
    steps, size = batch_plan(len(order), batch_size)
    return order[: steps * size].reshape(steps, size)


def batch_plan(count: int, batch_size: int) -> tuple[int, int]:
    """Steps in an epoch of `count` examples, and examples in a step."""
    size = min(batch_size, count)
    return count // size, size


@functools.partial(fast_jit, static_argnames=("model", "class_counts"))
def losses(params: PyTree, examples: DeviceExamples, *, model: nn.Module, class_counts: tuple[int, ...]) -> Array:
    """Each target's balanced loss over all the examples, float32 [targets]; nothing is augmented."""
    inputs, labels, weights = examples
    outputs: Any = model.apply(params, inputs)
    return balanced_loss(outputs, labels, weights, np.array(class_counts))


def learn_epoch(
    params: PyTree, state: optax.OptState, examples: DeviceExamples, batches: np.ndarray, key: Array, **model: Any
) -> tuple[PyTree, optax.OptState, Array]:
    """One update for each row of `batches` int [steps, batch].

    Args:
        model: `model`, `optimizer` and `class_counts`, as for `learn_step`.

    Returns:
        Parameters, the optimiser's state, and the mean over the steps of the targets' losses, float32 [targets].
    """
    history = []
    # Not a compiled loop over the steps: XLA:CPU runs the convolutions' gradients inside one some 50 times slower.
    for index, batch in enumerate(batches):
        params, state, each = learn_step(params, state, examples, batch, jax.random.fold_in(key, index), **model)
        history.append(each)
    return params, state, jnp.stack(history).mean(axis=0)


@functools.partial(fast_jit, static_argnames=("model", "optimizer", "class_counts"))
def learn_step(
    params: PyTree,
    state: optax.OptState,
    examples: DeviceExamples,
    batch: Array,
    key: Array,
    *,
    model: nn.Module,
    optimizer: optax.GradientTransformation,
    class_counts: tuple[int, ...],
) -> tuple[PyTree, optax.OptState, Array]:
    """One update from the examples with the indices `batch`.

    `model.apply` maps inputs to outputs [batch, targets, width]; augmentation draws from the random stream "augment".
    """
    inputs, labels, weights = (part[batch] for part in examples)

    def total(params: PyTree) -> tuple[Array, Array]:
        outputs: Any = model.apply(params, inputs, train=True, rngs={"augment": key})
        each = balanced_loss(outputs, labels, weights, np.array(class_counts))
        return each.sum(), each

    gradients, each = jax.grad(total, has_aux=True)(params)
    updates, state = optimizer.update(gradients, state, params)
    return optax.apply_updates(params, updates), state, each
