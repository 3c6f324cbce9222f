"""Pictures to codes and codes to pictures, any number of them, in batches of one compiled shape."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PRNGKeyArray, PyTree

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
    encode = jax.jit(partial(_sample_keyed, model))
    rows = np.arange(len(pictures), dtype=np.int32)
    return in_batches(lambda images, row: encode(params, images, row, key), (pictures, rows), batch_size)


def encode_posteriors(
    model: VAE, params: PyTree, pictures: np.ndarray, batch_size: int = 256
) -> tuple[np.ndarray, np.ndarray]:
    """The Gaussians that the codes of pictures are drawn from.

    Args:
        model, params, pictures, batch_size: as for `encode_pictures`.

    Returns:
        Mean and standard deviation, float32 [N, latent_dim] each. The mean tells far more than a sample: it is for
        audits, not for release.
    """
    encode = jax.jit(partial(_posterior, model))
    both = in_batches(lambda images: encode(params, images), (pictures,), batch_size)
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
    decode = jax.jit(partial(decode_batch, model))
    every = np.broadcast_to(label_vectors, (len(codes), label_vectors.shape[-1]))
    return in_batches(lambda code, labels: decode(params, code, labels), (codes, every), batch_size)


def sample_batch(model: VAE, params: PyTree, images: Array, noise: Array) -> Array:
    """Codes float32 [B, L] of uint8 pictures [B, S, S, 3] with noise float32 [B, L]."""
    posterior = model.apply({"params": params}, images.astype(jnp.float32) / 255.0, method="encode")
    codes: Any = model.apply({"params": params}, posterior, noise, method="sample")
    return codes


def decode_batch(model: VAE, params: PyTree, codes: Array, label_vectors: Array) -> Array:
    """Pictures uint8 [B, S, S, 3] of codes float32 [B, L] under label vectors float32 [B, width]."""
    pictures: Any = model.apply({"params": params}, codes, label_vectors, method="decode")
    return jnp.round(pictures * 255.0).astype(jnp.uint8)


def in_batches(function: Callable[..., Array], arrays: tuple[np.ndarray, ...], batch_size: int) -> np.ndarray:
    """Applies a function of batches to one or more rows; the last batch is padded to the common size and cut again."""

    def batches() -> Iterator[np.ndarray]:
        for start in range(0, len(arrays[0]), batch_size):
            parts = [array[start : start + batch_size] for array in arrays]
            size = len(parts[0])
            padding = batch_size - size
            padded = [np.concatenate([part, np.zeros((padding, *part.shape[1:]), part.dtype)]) for part in parts]
            yield np.asarray(function(*padded))[:size]

    return np.concatenate(list(batches()))


def _sample_keyed(model: VAE, params: PyTree, images: Array, rows: Array, key: PRNGKeyArray) -> Array:
    noise = jax.vmap(lambda row: jax.random.normal(jax.random.fold_in(key, row), (model.latent_dim,)))(rows)
    return sample_batch(model, params, images, noise)


def _posterior(model: VAE, params: PyTree, images: Array) -> Array:
    posterior: Any = model.apply({"params": params}, images.astype(jnp.float32) / 255.0, method="encode")
    return jnp.stack([posterior.mean, jnp.exp(posterior.log_variance / 2)], axis=1)
