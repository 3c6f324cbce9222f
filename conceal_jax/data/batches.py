"""Batches decoded on demand, and the batches of an evaluation. Needs no TensorFlow."""

from collections.abc import Iterator
from typing import TypedDict

import numpy as np

from conceal_jax.data.collection import Collection
from conceal_jax.data.pictures import read_pictures
from conceal_jax.runtime.parallel import process_share


class Batch(TypedDict):
    """image: uint8 [B, size, size, 3]; labels: by name, [B]; mask: bool [B], False where there is no picture."""

    image: np.ndarray
    labels: dict[str, np.ndarray]
    mask: np.ndarray


def evaluation_batches(
    collection: Collection,
    *,
    batch_size: int,
    image_size: int,
    crop: str,
    process_index: int = 0,
    process_count: int = 1,
) -> Iterator[Batch]:
    """Every item once, in order; the last batch is padded with black, masked pictures.

    Args:
        batch_size: over all processes; each yields its own contiguous share of every batch.
        image_size, crop: see `decode_picture`.
        process_index, process_count: which share.
    """
    share, order = process_share(batch_size, process_index, process_count), np.arange(len(collection))
    for start in range(0, len(collection), batch_size):
        yield read_batch(collection, start + share, order, image_size, crop)


def read_batch(collection: Collection, rows: np.ndarray, order: np.ndarray, image_size: int, crop: str) -> Batch:
    """The pictures and labels at some positions of an order; the host's version of `draw_batch`, without flips."""
    items = order[np.minimum(rows, len(order) - 1)]
    inside = rows < len(order)
    images = np.zeros((len(rows), image_size, image_size, 3), np.uint8)
    mask = np.zeros(len(rows), bool)
    images[inside], mask[inside] = read_pictures(collection, items[inside], image_size, crop)
    return {
        "image": images,
        "labels": {name: values[items] for name, values in collection.labels.items()},
        "mask": mask,
    }
