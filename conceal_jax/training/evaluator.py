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
from conceal_jax.config import Config, ObjectiveConfig
from conceal_jax.data.batches import evaluation_batches
from conceal_jax.data.collection import Collection
from conceal_jax.data.resident import Resident, load_resident
from conceal_jax.models.vae import VAE
from conceal_jax.runtime.collectives import example_noise
from conceal_jax.runtime.parallel import create_replicated, merge_devices, process_rows, shard_batch, whole
from conceal_jax.runtime.randomness import Stream, stream_key
from conceal_jax.training.autoencoder_step import Batch
from conceal_jax.training.loss_terms import in_unit_range, picture_terms
from conceal_jax.training.metrics import Sums, masked_sums, merge_sums, ssim

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


def ordered_batches(pictures: Resident | Collection, config: Config) -> Iterator[Any]:
    """As `padded_batches`; those of a collection are decoded as they are needed."""
    if isinstance(pictures, Resident):
        return padded_batches(pictures, config.evaluation.batch_size)
    return evaluation_batches(
        pictures,
        batch_size=config.evaluation.batch_size,
        image_size=config.data.image_size,
        crop=config.data.crop,
        process_index=jax.process_index(),
        process_count=jax.process_count(),
    )


class Evaluator:
    """Measures parameters on a validation set, always with the same noise."""

    def __init__(
        self,
        model: VAE,
        attributes: AttributeSet,
        validation: Resident | Collection,
        config: Config,
        mesh: Mesh,
    ) -> None:
        self._batches, self._mesh = partial(ordered_batches, validation, config), mesh
        self._shown = _first_good(validation, config)
        self._seed = create_replicated(jnp.uint32, mesh, np.uint32(config.seed))
        step = partial(evaluation_step, model=model, attributes=attributes, objective=config.objective)

        def global_step(params: PyTree, batch: Batch, index: Array, seed: Array) -> Sums:
            return step(params, merge_devices(batch), stream_key(seed, Stream.VALIDATION_NOISE, index))

        self._step = jax.jit(global_step, out_shardings=whole(mesh))
        self._preview = jax.jit(partial(_preview, model=model, attributes=attributes), out_shardings=whole(mesh))

    def figures(self, params: PyTree) -> dict[str, float]:
        """Means over the validation set of reconstruction (nats), rate (nats), psnr_db and ssim; and its examples."""
        sums: Sums | None = None
        for index, batch in enumerate(self._batches()):
            part = self._step(params, shard_batch(batch, self._mesh), np.int32(index), self._seed)
            sums = part if sums is None else merge_sums(sums, part)
        assert sums is not None, "an empty validation set is refused when the collection is opened"
        return {**sums.means(), "examples": float(sums.count)}

    def pictures(self, params: PyTree) -> UInt8[np.ndarray, "row column height width channels"]:
        """Rows of validation pictures: as they are, reconstructed, and concealed under the neutral label."""
        return np.asarray(self._preview(params, self._shown.images, self._shown.labels, self._seed))


def evaluation_step(
    params: PyTree,
    batch: Batch,
    key: PRNGKeyArray,
    *,
    model: VAE,
    attributes: AttributeSet,
    objective: ObjectiveConfig,
) -> Sums:
    """Reconstruction, rate and picture quality of a batch, on sampled codes under the pictures' own labels."""
    images, mask = in_unit_range(batch["image"]), jnp.asarray(batch["mask"])
    noise = example_noise(key, len(mask), model.latent_dim, None)
    output: Any = model.apply({"params": params}, images, attributes.encode(batch["labels"]), noise)
    values = picture_terms(output, images, objective) | {"ssim": ssim(images, jax.nn.sigmoid(output.logits))}
    return masked_sums(values, mask, jnp.int32(0))


def _first_good(pictures: Resident | Collection, config: Config) -> Resident:
    if not isinstance(pictures, Resident):
        first = np.arange(min(len(pictures), config.evaluation.batch_size))
        pictures = load_resident(pictures.take(first), config.data.image_size, config.data.crop)
    good = np.flatnonzero(pictures.valid)[:PREVIEW_PICTURES]
    labels = {name: values[good] for name, values in pictures.labels.items()}
    return Resident(pictures.images[good], labels, pictures.valid[good])


def _preview(
    params: PyTree,
    images: Array,
    labels: dict[str, Array],
    seed: Array,
    *,
    model: VAE,
    attributes: AttributeSet,
) -> Array:
    originals = images.astype(jnp.float32) / 255.0
    noise = jax.random.normal(stream_key(seed, Stream.PREVIEW_NOISE), (len(images), model.latent_dim))
    neutral = jnp.broadcast_to(attributes.neutral_vector(), (len(images), attributes.width))
    concealed: list[Any] = [
        model.apply({"params": params}, originals, label_vectors, noise, method="conceal")
        for label_vectors in (attributes.encode(labels), neutral)
    ]
    return jnp.round(jnp.stack([originals, *concealed]) * 255.0).astype(jnp.uint8)
