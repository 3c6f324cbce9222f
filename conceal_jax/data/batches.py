"""Batches decoded on the fly: which items a step takes, and the batches of an evaluation. Needs no TensorFlow."""

from collections.abc import Iterator
from typing import TypedDict

import numpy as np
from jaxtyping import Int32

from conceal_jax.data.collection import Collection
from conceal_jax.data.pictures import read_pictures


class Batch(TypedDict):
    """image: uint8 [B, size, size, 3]; labels: by name, [B]; mask: bool [B], False where there is no picture."""

    image: np.ndarray
    labels: dict[str, np.ndarray]
    mask: np.ndarray


def process_share(batch_size: int, process_index: int, process_count: int) -> Int32[np.ndarray, " share"]:
    """The places in a global batch that one of several processes reads.

    Raises:
        ValueError: the batch cannot be shared out evenly.
    """
    if batch_size % process_count:
        raise ValueError(
            f"a batch of {batch_size} cannot be shared by {process_count} processes; "
            f"set training.batch_size (and evaluation.batch_size, censor.batch_size) to a multiple of {process_count}"
        )
    share = batch_size // process_count
    return process_index * share + np.arange(share, dtype=np.int32)


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
    """The pictures and labels at some positions of an order; the host's twin of `draw_batch`, less the flips."""
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
