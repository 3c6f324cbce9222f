"""Attackers on numbers: small objects that learn to read every target from float arrays [N, L]."""

from typing import Any, Protocol

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler

from conceal_jax.audit.learning import (
    Examples,
    adamw,
    batch_plan,
    examples_of,
    learn_epoch,
    losses,
    shuffled_batches,
)
from conceal_jax.audit.questions import question_sheet
from conceal_jax.audit.targets import Target, Targets


class Attacker(Protocol):
    """What the protocol asks of an attacker."""

    name: str

    def fit(self, inputs: np.ndarray, targets: Targets) -> "Attacker":
        """Learns every target from scratch; returns itself."""
        ...

    def predict(self, inputs: np.ndarray) -> dict[str, np.ndarray]:
        """By target: float scores [N, classes], of which the highest is the guess, or values [N]."""
        ...


class LinearAttacker:
    """Logistic regression for classes, balanced, and ridge regression for values, on standardised inputs."""

    name = "linear"

    def fit(self, inputs: np.ndarray, targets: Targets) -> "LinearAttacker":
        self._scaler = StandardScaler().fit(inputs)
        standardised = self._scaler.transform(inputs)
        self._class_counts = {name: target.class_count for name, target in targets.items()}
        self._models = {name: _linear_model(standardised, target) for name, target in targets.items()}
        return self

    def predict(self, inputs: np.ndarray) -> dict[str, np.ndarray]:
        standardised = self._scaler.transform(inputs)
        return {
            name: _class_scores(model, standardised, self._class_counts[name])
            if self._class_counts[name]
            else model.predict(standardised)
            for name, model in self._models.items()
        }


def _linear_model(inputs: np.ndarray, target: Target) -> LogisticRegression | Ridge:
    model = LogisticRegression(class_weight="balanced", max_iter=500) if target.class_count else Ridge()
    return model.fit(inputs[target.known], target.labels[target.known])


def _class_scores(model: LogisticRegression, inputs: np.ndarray, class_count: int) -> np.ndarray:
    """Logits [N, classes]; minus infinity for classes that the model never saw."""
    scores = np.full((len(inputs), class_count), -np.inf)
    logits = model.decision_function(inputs)
    # Of two classes scikit-learn gives the logit of the second alone.
    scores[:, model.classes_] = logits if logits.ndim == 2 else np.stack([np.zeros_like(logits), logits], axis=1)
    return scores


class MlpAttacker:
    """Multilayer perceptrons, one for each target and seed, all trained at once.

    Inputs are standardised and the loss is class-balanced. A tenth of the examples is held out: each network keeps
    the weights of the epoch that did best there. The outputs of a target's networks are averaged.

    Args:
        seed: of the weights, the order of the examples, and the tenth held out.
        epochs, width, networks: passes over the examples, hidden units of a layer, networks for each target.
    """

    name = "mlp"
    batch_size = 256
    learning_rate = 4e-3
    weight_decay = 1e-2

    def __init__(self, seed: int = 0, *, epochs: int = 12, width: int = 128, networks: int = 2) -> None:
        self._seed, self._epochs, self._width, self._networks = seed, epochs, width, networks

    def fit(self, inputs: np.ndarray, targets: Targets) -> "MlpAttacker":
        self._scaler = StandardScaler().fit(inputs)
        self._sheet = question_sheet(targets)
        # The same questions are put to every network of a target.
        repeated = self._sheet.repeated(self._networks)
        self._model = _Perceptrons(len(repeated.names), self._width, repeated.width)
        self._params = self._train(examples_of(self._standardise(inputs), repeated), repeated.class_counts)
        return self

    def predict(self, inputs: np.ndarray) -> dict[str, np.ndarray]:
        outputs = np.asarray(self._model.apply(self._params, jnp.asarray(self._standardise(inputs))))
        by_network = outputs.reshape(len(inputs), self._networks, -1, outputs.shape[-1])
        return self._sheet.scores(by_network.mean(axis=1))

    def _standardise(self, inputs: np.ndarray) -> np.ndarray:
        return self._scaler.transform(inputs).astype(np.float32)

    def _train(self, examples: Examples, class_counts: np.ndarray) -> PyTree:
        """The weights of every network after the epoch with its least loss on the examples held out."""
        generator, key = np.random.default_rng(self._seed), jax.random.key(self._seed)
        held_out, learned = np.split(generator.permutation(len(examples[0])), [len(examples[0]) // 10])
        steps, _ = batch_plan(len(learned), self.batch_size)
        optimizer = adamw(self.learning_rate, self.weight_decay, self._epochs * steps)
        model: dict[str, Any] = {"model": self._model, "class_counts": tuple(class_counts.tolist())}
        params = self._model.init(key, examples[0][:1])
        state, best, least = optimizer.init(params), params, jnp.full(len(class_counts), jnp.inf)
        for epoch in range(self._epochs):
            batches = shuffled_batches(learned, self.batch_size, generator)
            step_key = jax.random.fold_in(key, epoch)
            params, state, _ = learn_epoch(params, state, examples, batches, step_key, optimizer=optimizer, **model)
            now = losses(params, examples, held_out, **model)
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

    def choose(new: Array, old: Array) -> Array:
        return jnp.where((now < least).reshape(-1, *[1] * (new.ndim - 1)), new, old)

    return jax.tree.map(choose, params, best), jnp.minimum(now, least)
