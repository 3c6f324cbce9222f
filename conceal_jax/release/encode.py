"""How a photo becomes a code, and a code a picture: the compiled functions, and batches of one shape.

A photo file is decoded by `photos.read_photo`. `sample_batch` is its way through the model: encoder, posterior, noise,
code. Users call `Concealer.encode`, which keys the noise by the photo.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int32, PRNGKeyArray, PyTree, UInt8

from conceal_jax.models.bottleneck import Posterior
from conceal_jax.models.vae import VAE


def encode_pictures(
    model: VAE, params: PyTree, pictures: np.ndarray, key: PRNGKeyArray, batch_size: int = 256
) -> np.ndarray:
    """Sampled codes of pictures.

    Args:
        model, params: of a trained run.
        pictures: uint8 [N, S, S, 3].
        key: of the noise; picture i gets noise keyed by (key, i), whatever the batch size.
        batch_size: pictures at once.

    Returns:
        float32 [N, latent_dim].
    """
    rows = np.arange(len(pictures), dtype=np.int32)
    return in_batches(
        lambda images, row: compiled_encode(model, params, images, row, key), (pictures, rows), batch_size
    )


def encode_posteriors(
    model: VAE, params: PyTree, pictures: np.ndarray, batch_size: int = 256
) -> tuple[np.ndarray, np.ndarray]:
    """The Gaussian posteriors that the codes of pictures are sampled from.

    Args:
        model, params, pictures, batch_size: as for `encode_pictures`.

    Returns:
        Mean and standard deviation, float32 [N, latent_dim] each. The mean leaks far more than a sample: it is for
        audits, not for release.
    """
    both = in_batches(lambda images: _compiled_posterior(model, params, images), (pictures,), batch_size)
    return both[:, 0], both[:, 1]


def decode_codes(
    model: VAE, params: PyTree, codes: np.ndarray, label_vectors: np.ndarray, batch_size: int = 256
) -> np.ndarray:
    """Pictures of codes under label vectors.

    Args:
        model, params: of a trained run.
        codes: float32 [N, latent_dim].
        label_vectors: float32 [N, width], or [width] for all codes.
        batch_size: codes at once.

    Returns:
        uint8 [N, S, S, 3].
    """
    every = np.broadcast_to(label_vectors, (len(codes), label_vectors.shape[-1]))
    return in_batches(lambda code, labels: compiled_decode(model, params, code, labels), (codes, every), batch_size)


def encode_batch(
    model: VAE,
    params: PyTree,
    images: UInt8[Array, "batch height width channels"],
    rows: Int32[Array, " batch"],
    key: PRNGKeyArray,
) -> Float[Array, "batch latent"]:
    """Sampled codes of one batch; picture i gets noise keyed by (key, rows[i])."""
    noise = jax.vmap(lambda row: jax.random.normal(jax.random.fold_in(key, row), (model.latent_dim,)))(rows)
    return sample_batch(model, params, images, noise)


def sample_batch(
    model: VAE,
    params: PyTree,
    images: UInt8[Array, "batch height width channels"],
    noise: Float[Array, "batch latent"],
) -> Float[Array, "batch latent"]:
    """Codes of one batch: encodes the pictures and samples their posteriors with the given noise from N(0, I)."""
    codes: Any = model.apply({"params": params}, _posterior(model, params, images), noise, method="sample")
    return codes


def _mean_and_deviation(model: VAE, params: PyTree, images: Array) -> Array:
    posterior = _posterior(model, params, images)
    return jnp.stack([posterior.mean, jnp.exp(posterior.log_variance / 2)], axis=1)


def _posterior(model: VAE, params: PyTree, images: Array) -> Posterior:
    posterior: Any = model.apply({"params": params}, images.astype(jnp.float32) / 255.0, method="encode")
    return posterior


def decode_batch(
    model: VAE,
    params: PyTree,
    codes: Float[Array, "batch latent"],
    label_vectors: Float[Array, "batch labels"],
) -> UInt8[Array, "batch height width channels"]:
    """Pictures of one batch of codes under label vectors."""
    pictures: Any = model.apply({"params": params}, codes, label_vectors, method="decode")
    return jnp.round(pictures * 255.0).astype(jnp.uint8)


# Each is compiled once for each model and shape of a batch.
compiled_encode = jax.jit(encode_batch, static_argnums=0)
compiled_sample = jax.jit(sample_batch, static_argnums=0)
compiled_decode = jax.jit(decode_batch, static_argnums=0)
_compiled_posterior = jax.jit(_mean_and_deviation, static_argnums=0)


def in_batches(function: Callable[..., Array], arrays: tuple[np.ndarray, ...], batch_size: int) -> np.ndarray:
    """Applies a function of batches to any number of rows; the last batch is padded, and its results are cut."""
    parts: list[np.ndarray] = []
    running: Array | None = None
    for start in range(0, len(arrays[0]), batch_size):
        following = function(*(_padded(array[start : start + batch_size], batch_size) for array in arrays))
        # Fetched only now, while the device computes the next batch.
        if running is not None:
            parts.append(np.asarray(running))
        running = following
    return np.concatenate([*parts, np.asarray(running)])[: len(arrays[0])]


def _padded(part: np.ndarray, size: int) -> np.ndarray:
    missing = size - len(part)
    return np.concatenate([part, np.zeros((missing, *part.shape[1:]), part.dtype)]) if missing else part
