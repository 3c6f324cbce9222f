"""Convolutional attacker on pictures: a compact residual CNN with one output head for each target."""

import functools
import time
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree, UInt8

from conceal_jax.audit.attackers.multitask import target_arrays
from conceal_jax.audit.attackers.optimization import (
    Training,
    adamw,
    batch_plan,
    device_examples,
    shuffled_batches,
    train_epoch,
)
from conceal_jax.audit.examples import Examples
from conceal_jax.models.layers import group_norm, space_to_depth

SIZES = (32, 64, 128)
FINEST_MAP = 16
"""Side of the first feature map, whatever the size of the picture."""


class CNNAttacker:
    """A residual CNN that reads all targets from pictures; once trained, it can be applied to other pictures unchanged.

    Args:
        epochs: passes over the training pictures.
        flip: mirror training pictures at random; switch it off if a mirrored picture would have another label.
        seed: of the weights, the order of the pictures, and the mirroring.
        progress: called with a line after every epoch.
    """

    batch_size = 64
    learning_rate = 3e-3
    weight_decay = 0.05

    def __init__(
        self,
        epochs: int = 8,
        flip: bool = True,
        seed: int = 0,
        progress: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.name = f"cnn-{seed}"
        self._epochs, self._flip, self._seed, self._progress = epochs, flip, seed, progress

    def fit(self, train: Examples, validation: Examples) -> "CNNAttacker":
        """Trains a fresh network on uint8 pictures [N, S, S, 3], S being 32, 64 or 128; returns itself.

        `validation` is unused: the learning rate decays to zero, and the last weights are kept.
        """
        pictures = train.inputs
        require_pictures(pictures)
        self._targets = target_arrays(train.targets)
        self._model = ResidualCNN(len(train.targets), self._targets.width, self._flip)
        steps, _ = batch_plan(len(pictures), self.batch_size)
        optimizer = adamw(self.learning_rate, self.weight_decay, self._epochs * steps)
        training = Training(self._model, optimizer, tuple(self._targets.class_counts.tolist()))
        generator, key = np.random.default_rng(self._seed), jax.random.key(self._seed)
        params = self._model.init(key, jnp.asarray(pictures[:1]))
        state, examples = optimizer.init(params), device_examples(pictures, self._targets)
        for epoch in range(self._epochs):
            start = time.perf_counter()
            batches = shuffled_batches(np.arange(len(pictures)), self.batch_size, generator)
            step_key = jax.random.fold_in(key, epoch)
            params, state, losses = train_epoch(training, params, state, examples, batches, step_key)
            loss, seconds = float(losses.mean()), time.perf_counter() - start
            self._progress(
                f"cnn epoch {epoch + 1}/{self._epochs}: loss {loss:.3f}, {batches.size / seconds:.0f} pictures/s"
            )
        self._params = params
        return self

    def predict(self, pictures: np.ndarray) -> dict[str, np.ndarray]:
        """By target: float32 logits [N, classes], or values [N], of uint8 pictures [N, S, S, 3].

        Where training mirrored pictures, the answers to a picture and to its mirror image are averaged.
        """
        require_pictures(pictures)
        size = 2 * self.batch_size
        outputs = [_answers(self._model, self._params, pictures[i : i + size]) for i in range(0, len(pictures), size)]
        return self._targets.scores(np.concatenate(outputs))


class PretrainedCNN:
    """A network trained on the original photos and applied unchanged: the attacker that does not adapt."""

    name = "stale cnn"

    def __init__(self, trained: CNNAttacker) -> None:
        self._trained = trained

    def fit(self, train: Examples, validation: Examples) -> "PretrainedCNN":
        """Learns nothing."""
        return self

    def predict(self, pictures: np.ndarray) -> dict[str, np.ndarray]:
        """By target: the network's logits [N, classes], or values [N], of uint8 pictures [N, S, S, 3]."""
        return self._trained.predict(pictures)


class ResidualCNN(nn.Module):
    """Pictures to outputs [batch, targets, width]; the trunk is shared by all targets."""

    targets: int
    width: int
    flip: bool

    @nn.compact
    def __call__(
        self, pictures: UInt8[Array, "batch size size 3"], train: bool = False
    ) -> Float[Array, "batch targets width"]:
        images = pictures.astype(jnp.float32) / 127.5 - 1
        if train and self.flip:
            images = mirror_some(images, self.make_rng("augment"))
        maps = space_to_depth(images, images.shape[1] // FINEST_MAP)
        maps = nn.Conv(16, (3, 3))(maps)
        for channels in (64, 128):
            maps = nn.Dense(channels)(space_to_depth(nn.silu(group_norm()(maps)), 2))
            maps = maps + nn.Conv(channels, (3, 3))(nn.silu(group_norm()(maps)))
        features = nn.silu(group_norm()(maps)).mean(axis=(1, 2))
        return nn.Dense(self.targets * self.width)(features).reshape(-1, self.targets, self.width)


def mirror_some(images: Float[Array, "batch height width channels"], key: Array) -> Array:
    """Mirrors each image left to right with probability one half."""
    chosen = jax.random.bernoulli(key, 0.5, (len(images), 1, 1, 1))
    return jnp.where(chosen, images[:, :, ::-1], images)


def require_pictures(pictures: np.ndarray) -> None:
    """Raises ValueError unless `pictures` is uint8 [N, S, S, 3] with S 32, 64 or 128."""
    side = pictures.shape[1] if pictures.ndim == 4 else 0
    if pictures.dtype != np.uint8 or side not in SIZES or pictures.shape[1:] != (side, side, 3):
        raise ValueError(
            f"got pictures {pictures.dtype} {list(pictures.shape)}; give uint8 [N, S, S, 3] with S one of {SIZES}"
        )


@functools.partial(jax.jit, static_argnums=0)
def _answers(model: ResidualCNN, params: PyTree, pictures: Array) -> Array:
    outputs: Any = model.apply(params, pictures)
    if not model.flip:
        return outputs
    mirrored: Any = model.apply(params, pictures[:, :, ::-1])
    return (outputs + mirrored) / 2
