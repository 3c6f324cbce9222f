"""The tf.data path: decodes while training. Import it only where TensorFlow is wanted; all else works without."""

import functools
import os
import weakref
from collections.abc import Generator, Iterator

import jax
import numpy as np
import tensorflow as tf

from conceal_jax.data.batches import Batch, read_batch
from conceal_jax.data.collection import Collection
from conceal_jax.data.order import epoch_order, steps_per_epoch
from conceal_jax.data.patience import patiently
from conceal_jax.data.report import DataReport
from conceal_jax.runtime.parallel import process_share

_PREFETCHED_BATCHES = 4


def train_batches(
    collection: Collection,
    *,
    batch_size: int,
    image_size: int,
    crop: str,
    flip: bool,
    seed: int,
    start_step: int = 0,
    max_bad_fraction: float = 0.05,
    process_index: int = 0,
    process_count: int = 1,
) -> Iterator[Batch]:
    """Endless training batches, the same as `draw_batch` draws from the resident set.

    Any step is computed on its own from (seed, epoch), so that a start in the middle replays nothing. Files are decoded
    by `read_pictures`, so both paths see the same pixels and skip the same files; TensorFlow runs it on several
    batches at once, keeps the order and works ahead of the consumer.

    Args:
        batch_size: over all processes; each yields its own contiguous share of every batch.
        image_size, crop: see `decode_picture`.
        flip: mirror as `epoch_order` says.
        start_step: the step of the first batch.
        max_bad_fraction: share of unusable items above which the run stops.

    Raises:
        BadDataError: while iterating, once more items than that turned out unusable.
        DataStalledError, DataWorkerError: while iterating; see `patiently`.
        ValueError: the batch cannot be shared out evenly.
    """
    share = process_share(batch_size, process_index, process_count)
    tf.config.set_visible_devices([], "GPU")
    size = len(collection)
    epoch_steps = steps_per_epoch(size, batch_size)
    names = list(collection.labels)
    order_of = functools.lru_cache(maxsize=4)(functools.partial(_order_on_host, seed, size=size))

    def read(step: np.integer) -> tuple[np.ndarray, ...]:
        epoch, step_in_epoch = divmod(int(step), epoch_steps)
        order, mirrored = order_of(epoch)
        rows = step_in_epoch * batch_size + share
        batch = read_batch(collection, rows, order, image_size, crop)
        if flip:
            turn = mirrored[np.minimum(rows, size - 1)]
            batch["image"][turn] = batch["image"][turn, :, ::-1]
        return batch["image"], batch["mask"], *(batch["labels"][name] for name in names)

    types = (tf.uint8, tf.bool, *(collection.labels[name].dtype for name in names))

    @tf.autograph.experimental.do_not_convert
    def load(step: tf.Tensor) -> dict[str, object]:
        image, mask, *labels = tf.numpy_function(read, [step], types, stateful=False)
        return {"image": image, "labels": dict(zip(names, labels, strict=True)), "mask": mask}

    dataset = (
        tf.data.Dataset.range(start_step, np.iinfo(np.int64).max)
        .map(load, num_parallel_calls=os.cpu_count(), deterministic=True)
        .prefetch(_PREFETCHED_BATCHES)
    )
    running = [dataset.as_numpy_iterator()]
    batches = _checked(running, collection.report, max_bad_fraction)
    # TensorFlow's threads run Python: they must stop before the interpreter does, or its exit waits for them forever.
    weakref.finalize(batches, running.clear)
    return batches


def _checked(
    running: list[Iterator[Batch]], report: DataReport, max_bad_fraction: float
) -> Generator[Batch, None, None]:
    # The list, not the iterator: it is emptied when the interpreter ends.
    for batch in patiently(lambda: next(running[0])):
        report.require_mostly_good(max_bad_fraction)
        yield batch


def _order_on_host(seed: int, epoch: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    with jax.transfer_guard("allow"):
        order, mirrored = epoch_order(seed, epoch, size)
    return np.asarray(order), np.asarray(mirrored)
