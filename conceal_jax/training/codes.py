"""The autoencoder's codes of a collection, which the censor learns from."""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Float, Int, PyTree, UInt8

from conceal_jax.attributes.appearance import appearance
from conceal_jax.models.vae import VAE
from conceal_jax.runtime.parallel import merge_devices, shard_batch, whole


class CodeSet(NamedTuple):
    """The autoencoder's codes of a collection; a pytree, so that `jax.device_put` moves all of it.

    Attributes:
        code: float32 [N, V, D], of V views of each picture: as it is and, where pictures are mirrored, mirrored.
        curvature: float32 [N, V, D], the second derivative of the picture's loss by its code.
        labels: by attribute name, [N], with the appearance of the pictures.
        valid: bool [N]; False where the picture could not be decoded.
    """

    code: np.ndarray
    curvature: np.ndarray
    labels: dict[str, np.ndarray]
    valid: np.ndarray

    def draw(self, order: Array, flip: Array, rows: Int[Array, " batch"]) -> dict[str, Any]:
        """Gathers a batch; see `draw_batch`."""
        position = jnp.minimum(rows, order.shape[0] - 1)
        items = order[position]
        view = flip[position].astype(jnp.int32)
        return {
            "code": jnp.asarray(self.code)[items, view],
            "curvature": jnp.asarray(self.curvature)[items, view],
            "labels": {name: values[items] for name, values in self.labels.items()},
            "mask": (rows < order.shape[0]) & self.valid[items],
        }


def first_codes(
    model: VAE,
    params: PyTree,
    batches: Iterable[Mapping[str, Any]],
    size: int,
    *,
    beta: float,
    flip: bool,
    mesh: Mesh,
) -> CodeSet:
    """The means of the bottleneck's posteriors, and how much pictures suffer from errors in them.

    Where a VAE's training has converged, each number's noise is as loud as the picture allows: its variance is
    beta / (beta + h), h being the second derivative of the picture's loss by it (Rolinek et al. 2019,
    arXiv 1812.06775). So h = beta (1 / variance - 1).

    Args:
        model, params: of the trained first stage.
        batches: all pictures in order, in batches of one size, the last one padded; this process's shares of them.
        size: number of pictures.
        beta: the rate's weight at the end of the first stage.
        flip: whether to encode mirror images, too.
        mesh: devices to work on.
    """

    @partial(jax.jit, out_shardings=whole(mesh))
    def encode(images: UInt8[Array, "devices share height width channels"], others: PyTree) -> tuple[PyTree, ...]:
        pictures = merge_devices(images).astype(jnp.float32) / 255.0
        views = (pictures, pictures[:, :, ::-1]) if flip else (pictures,)
        posteriors: list[Any] = [model.apply({"params": params}, view, method="encode_uncensored") for view in views]
        mean = jnp.stack([each.mean for each in posteriors], axis=1)
        log_variance = jnp.stack([each.log_variance for each in posteriors], axis=1)
        return mean, _curvature(log_variance, beta), merge_devices(others)

    # What the host knows goes through the devices, too, so that every process gets all of it.
    parts = [jax.device_get(encode(*shard_batch((batch["image"], _known(batch)), mesh))) for batch in batches]
    code, curvature, known = zip(*parts, strict=True)
    labels, valid = zip(*known, strict=True)
    return CodeSet(
        np.concatenate(code)[:size],
        np.concatenate(curvature)[:size],
        {name: np.concatenate([each[name] for each in labels])[:size] for name in labels[0]},
        np.concatenate(valid)[:size],
    )


def _known(batch: Mapping[str, Any]) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """What a batch holds besides codes: labels, and which rows are pictures."""
    return {**batch["labels"], **appearance(batch["image"])}, batch["mask"]


def _curvature(log_variance: Float[Array, "batch views codes"], beta: float) -> Float[Array, "batch views codes"]:
    return beta * jnp.maximum(jnp.exp(-log_variance) - 1.0, 0.0)
