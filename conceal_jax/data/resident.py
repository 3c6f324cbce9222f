"""The whole decoded set in memory, and batches drawn from it inside a compiled step. Needs no TensorFlow."""

import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int32, Shaped, UInt8

from conceal_jax.data.collection import Collection
from conceal_jax.data.pictures import read_pictures

_CHUNK = 256


class Resident(NamedTuple):
    """A decoded collection; a pytree, so that `jax.device_put` moves all of it.

    Attributes:
        images: uint8 [N, size, size, 3].
        labels: by attribute name, [N].
        valid: bool [N]; False where the picture could not be decoded, and is black.
    """

    images: np.ndarray
    labels: dict[str, np.ndarray]
    valid: np.ndarray

    def draw(self, order: Array, flip: Array, rows: Array) -> dict[str, Any]:
        """Gathers and mirrors a batch; see `draw_batch`."""
        images, labels, valid = jax.tree.map(jnp.asarray, tuple(self))
        return draw_batch(images, labels, valid, order, flip, rows)


def load_resident(
    collection: Collection,
    image_size: int,
    crop: str,
    progress: Callable[[int, int], None] | None = None,
) -> Resident:
    """Decodes a collection; item i stays at position i, so that the order is the same as when streaming.

    Args:
        collection: what cannot be decoded is listed in its report.
        image_size: side in pixels.
        crop: see `decode_picture`.
        progress: called with the number of items done and of all items.
    """
    size = len(collection)
    images = np.empty((size, image_size, image_size, 3), np.uint8)
    valid = np.empty(size, bool)

    def load(start: int) -> int:
        chunk = np.arange(start, min(start + _CHUNK, size))
        images[chunk], valid[chunk] = read_pictures(collection, chunk, image_size, crop)
        return len(chunk)

    done = 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for count in pool.map(load, range(0, size, _CHUNK)):
            done += count
            if progress is not None:
                progress(done, size)
    return Resident(images, dict(collection.labels), valid)


def draw_batch(
    images: UInt8[Array, "size height width channel"],
    labels: Mapping[str, Shaped[Array, " size"]],
    valid: Bool[Array, " size"],
    order: Int32[Array, " size"],
    flip: Bool[Array, " size"],
    rows: Int32[Array, " batch"],
) -> dict[str, Any]:
    """Gathers and mirrors a batch; jit-able.

    Args:
        images, labels, valid: of a `Resident`.
        order, flip: of `epoch_order`.
        rows: positions in the epoch's order; those past its end are padding.

    Returns:
        {"image": uint8 [B, H, W, C], "labels": {name: [B]}, "mask": bool [B]}. Where the mask is False the image is
        black, and the labels are those of some item.
    """
    position = jnp.minimum(rows, order.shape[0] - 1)
    items = order[position]
    mask = (rows < order.shape[0]) & valid[items]
    image = images[items]
    image = jnp.where(flip[position][:, None, None, None], image[:, :, ::-1], image)
    return {
        "image": jnp.where(mask[:, None, None, None], image, jnp.uint8(0)),
        "labels": {name: values[items] for name, values in labels.items()},
        "mask": mask,
    }
