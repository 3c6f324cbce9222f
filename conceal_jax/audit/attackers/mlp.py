"""Multilayer perceptron attacker: one network for each target and seed, all trained at once."""

from collections.abc import Mapping

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree
from sklearn.preprocessing import StandardScaler

from conceal_jax.audit.attackers.multitask import target_arrays
from conceal_jax.audit.attackers.optimization import (
    DeviceExamples,
    Training,
    adamw,
    batch_plan,
    device_examples,
    losses,
    shuffled_batches,
    train_epoch,
)
from conceal_jax.audit.attackers.whitening import Whitening
from conceal_jax.audit.examples import Examples


class MLPAttacker:
    """Perceptrons with two hidden layers on standardised or whitened codes, with a class-balanced loss.

    Each target has `networks` of them, with different initial weights. Each keeps the weights of its best epoch on
    the validation people, and a target's networks are averaged.

    Args:
        width: hidden units of a layer.
        seed: of the weights and of the order of the examples.
        epochs, networks: passes over the examples, networks for each target.
        whiten: standardise principal components instead of the dimensions of a code.
    """

    batch_size = 512
    learning_rate = 4e-3
    weight_decay = 1e-2

    def __init__(
        self, width: int = 128, seed: int = 0, *, epochs: int = 14, networks: int = 2, whiten: bool = False
    ) -> None:
        self.name = f"mlp-{width}"
        self._width, self._seed, self._epochs, self._networks, self._whiten = width, seed, epochs, networks, whiten

    def fit(self, train: Examples, validation: Examples) -> "MLPAttacker":
        """Trains all networks on `train`, with early stopping on `validation`."""
        self._scaler = (Whitening() if self._whiten else StandardScaler()).fit(train.inputs)
        self._targets = target_arrays(train.targets)
        train_arrays, validation_arrays = (self._on_device(part) for part in (train, validation))
        repeated = self._targets.repeated(self._networks)
        self._model = _Perceptrons(len(repeated.names), self._width, repeated.width)
        steps, _ = batch_plan(len(train), self.batch_size)
        optimizer = adamw(self.learning_rate, self.weight_decay, self._epochs * steps)
        training = Training(self._model, optimizer, tuple(repeated.class_counts.tolist()))
        self._params = self._train(training, train_arrays, validation_arrays)
        return self

    def predict(self, inputs: np.ndarray) -> Mapping[str, np.ndarray]:
        """By target: float32 logits [N, classes], or values [N]."""
        outputs = np.asarray(self._model.apply(self._params, jnp.asarray(self._scaled(inputs))))
        by_network = outputs.reshape(len(inputs), self._networks, -1, outputs.shape[-1])
        return self._targets.scores(by_network.mean(axis=1))

    def _on_device(self, examples: Examples) -> DeviceExamples:
        targets = self._targets.same_targets(examples.targets).repeated(self._networks)
        return device_examples(self._scaled(examples.inputs), targets)

    def _scaled(self, inputs: np.ndarray) -> np.ndarray:
        return self._scaler.transform(inputs).astype(np.float32)

    def _train(self, training: Training, train: DeviceExamples, validation: DeviceExamples) -> PyTree:
        """The weights of every network after the epoch with its least validation loss."""
        generator, key = np.random.default_rng(self._seed), jax.random.key(self._seed)
        everyone = np.arange(len(train[0]))
        params = self._model.init(key, train[0][:1])
        state, best, least = training.optimizer.init(params), params, jnp.full(len(training.class_counts), jnp.inf)
        for epoch in range(self._epochs):
            batches = shuffled_batches(everyone, self.batch_size, generator)
            step_key = jax.random.fold_in(key, epoch)
            params, state, _ = train_epoch(training, params, state, train, batches, step_key)
            now = losses(training, params, validation)
            best, least = _keep_better(params, now, best, least)
        return best


class _Perceptron(nn.Module):
    width: int
    outputs: int

    @nn.compact
    def __call__(self, inputs: Float[Array, "batch length"]) -> Float[Array, "batch outputs"]:
        hidden = nn.silu(nn.Dense(self.width)(inputs))
        return nn.Dense(self.outputs)(nn.silu(nn.Dense(self.width)(hidden)))


class _Perceptrons(nn.Module):
    """Networks side by side that share nothing but their inputs; every parameter's first axis runs over them."""

    networks: int
    width: int
    outputs: int

    @nn.compact
    def __call__(
        self, inputs: Float[Array, "batch length"], train: bool = False
    ) -> Float[Array, "batch networks outputs"]:
        side_by_side = nn.vmap(
            _Perceptron,
            in_axes=None,
            out_axes=1,
            axis_size=self.networks,
            variable_axes={"params": 0},
            split_rngs={"params": True},
        )
        return side_by_side(self.width, self.outputs)(inputs)


@jax.jit
def _keep_better(params: PyTree, now: Array, best: PyTree, least: Array) -> tuple[PyTree, Array]:
    """Network by network, the parameters with the smaller loss [networks], and that loss."""

    def better(new: Array, old: Array) -> Array:
        return jnp.where((now < least).reshape(-1, *[1] * (new.ndim - 1)), new, old)

    return jax.tree.map(better, params, best), jnp.minimum(now, least)
