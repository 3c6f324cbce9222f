"""First codes of a collection, as the censor learns from them."""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Float, Int, PyTree, UInt8

from conceal_jax.appearance import appearance
from conceal_jax.attributes import AttributeSet
from conceal_jax.compiler import compiler_options
from conceal_jax.config import Config
from conceal_jax.models.vae import VAE
from conceal_jax.objective import standardised
from conceal_jax.training.parallel import merge_devices, shard_batch, whole

METRIC_CODES = 32
"""Pictures that the metric is an average over."""


class CodeSet(NamedTuple):
    """The first codes of a collection; a pytree, so that `jax.device_put` moves all of it.

    Attributes:
        code: float32 [N, V, D], of V views of each picture: as it is and, where pictures are mirrored, mirrored.
        metric: float32 [D, D], by which an error in a code costs its picture nats; see `picture_metric`.
        labels: by attribute name, [N], with the appearance of the pictures.
        valid: bool [N]; False where the picture could not be decoded.
    """

    code: np.ndarray
    metric: np.ndarray
    labels: dict[str, np.ndarray]
    valid: np.ndarray

    def draw(self, order: Array, flip: Array, rows: Int[Array, " batch"]) -> dict[str, Any]:
        """Gathers a batch, see `draw_batch`; the metric comes along whole."""
        position = jnp.minimum(rows, order.shape[0] - 1)
        items = order[position]
        view = flip[position].astype(jnp.int32)
        return {
            "code": jnp.asarray(self.code)[items, view],
            "metric": jnp.asarray(self.metric),
            "labels": {name: values[items] for name, values in self.labels.items()},
            "mask": (rows < order.shape[0]) & self.valid[items],
        }


def first_codes(
    model: VAE,
    params: PyTree,
    batches: Iterable[Mapping[str, Any]],
    size: int,
    *,
    attributes: AttributeSet,
    config: Config,
    mesh: Mesh,
) -> CodeSet:
    """The means of the bottleneck's posteriors, and how much pictures suffer from errors in them.

    Args:
        model, params: of the trained first stage.
        batches: all pictures in order, in batches of one size, the last one padded; this process's shares of them.
        size: number of pictures.
        attributes: under whose labels the pictures are decoded.
        config: of the run; with `data.flip`, mirror images are encoded, too.
        mesh: devices to work on.
    """

    @partial(jax.jit, out_shardings=whole(mesh), compiler_options=compiler_options())
    def encode(images: UInt8[Array, "devices share height width channels"], others: PyTree) -> tuple[PyTree, ...]:
        pictures = merge_devices(images).astype(jnp.float32) / 255.0
        views = (pictures, pictures[:, :, ::-1]) if config.data.flip else (pictures,)
        posteriors: list[Any] = [model.apply({"params": params}, view, method="encode_first") for view in views]
        return jnp.stack([each.mean for each in posteriors], axis=1), *merge_devices(others)

    # What the host knows goes through the devices, too, so that every process gets all of it.
    parts = [jax.device_get(encode(*shard_batch((batch["image"], _known(batch)), mesh))) for batch in batches]
    code, labels, valid = jax.tree.map(lambda *leaves: np.concatenate(leaves)[:size], *parts)
    # Evenly over the collection, which may be sorted; more of them hardly change the metric.
    shown = np.flatnonzero(valid)[:: max(1, valid.sum() // METRIC_CODES)][:METRIC_CODES]
    label_vectors = attributes.encode({name: values[shown] for name, values in labels.items()})
    metric = picture_metric(model, params, code[shown, 0], label_vectors, config.objective.likelihood)
    return CodeSet(code, metric, labels, valid)


def picture_metric(
    model: VAE,
    params: PyTree,
    codes: Float[np.ndarray, "batch first"],
    label_vectors: Float[Array, "batch labels"],
    likelihood: str,
) -> Float[np.ndarray, "first first"]:
    """By which a small error e in a code costs its picture e' M e / 2 nats, on average over codes.

    It is the likelihood's Fisher information as the decoder pulls it back to the codes (Arvanitidis et al. 2022,
    arXiv 2106.05367).

    Args:
        model, params: of the trained first stage.
        codes: of pictures.
        label_vectors: that they are decoded under.
        likelihood: of the pictures; see `objective.LIKELIHOODS`.
    """
    log_scale: Any = model.apply({"params": params}, method=lambda vae: vae.log_scale)

    @partial(jax.jit, compiler_options=compiler_options())
    def information(code: Float[Array, " first"], label_vector: Float[Array, " labels"]) -> Float[Array, "first first"]:
        def picture(code: Float[Array, " first"]) -> Float[Array, " values"]:
            decoded: Any = model.apply({"params": params}, code[None], label_vector[None], method="decode")
            return standardised(decoded, log_scale, likelihood).ravel()

        jacobian = jax.jacfwd(picture)(code).astype(jnp.float32)
        return jacobian.T @ jacobian

    return np.mean([information(*each) for each in zip(codes, label_vectors, strict=True)], axis=0)


def _known(batch: Mapping[str, Any]) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """What a batch tells of its pictures without a model: labels, and whether there is one."""
    return {**batch["labels"], **appearance(batch["image"])}, batch["mask"]
