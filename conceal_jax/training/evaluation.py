"""Evaluation while training: figures over the whole validation set, and a few pictures to look at."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, PRNGKeyArray, PyTree, UInt8

from conceal_jax.attributes import AttributeSet
from conceal_jax.compiler import compiler_options
from conceal_jax.config import Config
from conceal_jax.data.resident import Resident
from conceal_jax.models.vae import VAE
from conceal_jax.training.metrics import Sums, merge_sums
from conceal_jax.training.parallel import create_replicated, merge_devices, process_rows, shard_batch, whole
from conceal_jax.training.step import Batch, evaluation_step

PREVIEW_PICTURES = 8


def padded_batches(resident: Resident, batch_size: int) -> Iterator[Batch]:
    """This process's share of the set in order, in batches of one size over all processes.

    The mask is False on padding and on unreadable pictures.
    """
    size = len(resident.images)
    for start in range(0, size, batch_size):
        rows = start + process_rows(batch_size)
        inside = rows < size
        rows = np.minimum(rows, size - 1)
        yield {
            "image": resident.images[rows],
            "labels": {name: values[rows] for name, values in resident.labels.items()},
            "mask": resident.valid[rows] & inside,
        }


class Evaluator:
    """Measures parameters on a validation set, always with the same noise."""

    def __init__(self, model: VAE, attributes: AttributeSet, validation: Resident, config: Config, mesh: Mesh) -> None:
        self._validation, self._mesh = validation, mesh
        self._batch_size = config.evaluation.batch_size
        self._key = create_replicated(jax.random.key, mesh, np.uint32(config.seed))
        step = partial(evaluation_step, model=model, attributes=attributes, objective=config.objective)

        def global_step(params: PyTree, batch: Batch, index: Array, key: PRNGKeyArray) -> Sums:
            return step(params, merge_devices(batch), jax.random.fold_in(key, index))

        self._step = jax.jit(global_step, out_shardings=whole(mesh), compiler_options=compiler_options())
        self._preview = jax.jit(partial(_preview, model=model, attributes=attributes), out_shardings=whole(mesh))

    def figures(self, params: PyTree) -> dict[str, float]:
        """Means over the validation set of reconstruction (nats), rate (nats), psnr_db and ssim; and its examples."""
        sums: Sums | None = None
        for index, batch in enumerate(padded_batches(self._validation, self._batch_size)):
            part = self._step(params, shard_batch(batch, self._mesh), np.int32(index), self._key)
            sums = part if sums is None else merge_sums(sums, part)
        assert sums is not None, "an empty validation set is refused when the collection is opened"
        return {**sums.means(), "examples": float(sums.count)}

    def pictures(self, params: PyTree) -> UInt8[np.ndarray, "row column height width channels"]:
        """Rows of validation pictures: as they are, reconstructed, and concealed under the neutral label."""
        shown = np.flatnonzero(self._validation.valid)[:PREVIEW_PICTURES]
        labels = {name: values[shown] for name, values in self._validation.labels.items()}
        rows = self._preview(params, self._validation.images[shown], labels, self._key)
        return np.asarray(rows)


def _preview(
    params: PyTree,
    images: Array,
    labels: dict[str, Array],
    key: PRNGKeyArray,
    *,
    model: VAE,
    attributes: AttributeSet,
) -> Array:
    originals = images.astype(jnp.float32) / 255.0
    noise = jax.random.normal(key, (len(images), model.latent_dim))
    neutral = jnp.broadcast_to(attributes.neutral_vector(), (len(images), attributes.width))
    concealed: list[Any] = [
        model.apply({"params": params}, originals, label_vectors, noise, method="conceal")
        for label_vectors in (attributes.encode(labels), neutral)
    ]
    return jnp.round(jnp.stack([originals, *concealed]) * 255.0).astype(jnp.uint8)
