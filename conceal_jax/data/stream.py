"""The tf.data path: decodes while training. The only module of the training path that imports TensorFlow."""

import dataclasses
import functools
import os
import weakref
from collections.abc import Generator, Iterator

import jax
import numpy as np
import tensorflow as tf

from conceal_jax.config import DataConfig
from conceal_jax.data.batches import Batch, read_batch
from conceal_jax.data.collection import Collection
from conceal_jax.data.order import epoch_order, steps_per_epoch
from conceal_jax.data.report import DataReport
from conceal_jax.data.timeouts import with_timeout
from conceal_jax.runtime.parallel import process_share

_PREFETCHED_BATCHES = 4


@dataclasses.dataclass(frozen=True)
class _BatchOfStep:
    """The training batch of any step, computed from (seed, epoch) alone: resuming replays nothing.

    Attributes:
        share: int [B], the rows of every batch that this process reads.
    """

    collection: Collection
    config: DataConfig
    batch_size: int
    seed: int
    share: np.ndarray

    def __call__(self, step: np.integer) -> Batch:
        epoch, step_in_epoch = divmod(int(step), steps_per_epoch(len(self.collection), self.batch_size))
        order, mirrored = _order_on_host(self.seed, epoch, len(self.collection))
        rows = step_in_epoch * self.batch_size + self.share
        batch = read_batch(self.collection, rows, order, self.config.image_size, self.config.crop)
        if self.config.flip:
            turn = mirrored[np.minimum(rows, len(order) - 1)]
            batch["image"][turn] = batch["image"][turn, :, ::-1]
        return batch


def train_batches(
    collection: Collection,
    config: DataConfig,
    *,
    batch_size: int,
    seed: int,
    start_step: int = 0,
    process_index: int = 0,
    process_count: int = 1,
) -> Iterator[Batch]:
    """Endless training batches, equal to those that `draw_batch` draws from the resident set.

    Files are decoded by `read_pictures`, as in the resident path, so both see the same pixels and skip the same files.
    TensorFlow decodes several batches at once, keeps their order and works ahead of the consumer.

    Args:
        collection: the training split.
        config: `image_size`, `crop` and `flip` say how pictures are prepared; above `max_bad_fraction` of unusable
            items the run stops.
        batch_size: over all processes; each yields its own contiguous share of every batch.
        seed: of the order and the flips.
        start_step: the step of the first batch.
        process_index, process_count: which share.

    Raises:
        BadDataError: while iterating, once too many items are unusable.
        DataStalledError, DataWorkerError: while iterating; see `with_timeout`.
        ValueError: the batch cannot be shared out evenly.
    """
    share = process_share(batch_size, process_index, process_count)
    tf.config.set_visible_devices([], "GPU")
    dataset = _dataset(_BatchOfStep(collection, config, batch_size, seed, share), start_step)
    running = [dataset.as_numpy_iterator()]
    batches = _checked(running, collection.report, config.max_bad_fraction)
    # TensorFlow's threads run Python: they must stop before the interpreter does, or its exit waits for them forever.
    weakref.finalize(batches, running.clear)
    return batches


def _dataset(batch_of_step: _BatchOfStep, start_step: int) -> tf.data.Dataset:
    """The batches from a step on, decoded by several threads, in order."""
    labels = batch_of_step.collection.labels
    types = (tf.uint8, tf.bool, *(values.dtype for values in labels.values()))

    def read(step: np.integer) -> tuple[np.ndarray, ...]:
        batch = batch_of_step(step)
        return batch["image"], batch["mask"], *(batch["labels"][name] for name in labels)

    @tf.autograph.experimental.do_not_convert
    def load(step: tf.Tensor) -> dict[str, object]:
        image, mask, *values = tf.numpy_function(read, [step], types, stateful=False)
        return {"image": image, "labels": dict(zip(labels, values, strict=True)), "mask": mask}

    return (
        tf.data.Dataset.range(start_step, np.iinfo(np.int64).max)
        .map(load, num_parallel_calls=os.cpu_count(), deterministic=True)
        .prefetch(_PREFETCHED_BATCHES)
    )


def _checked(
    running: list[Iterator[Batch]], report: DataReport, max_bad_fraction: float
) -> Generator[Batch, None, None]:
    # The list, not the iterator: it is emptied when the interpreter ends.
    for batch in with_timeout(lambda: next(running[0])):
        report.require_mostly_good(max_bad_fraction)
        yield batch


@functools.lru_cache(maxsize=4)
def _order_on_host(seed: int, epoch: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    with jax.transfer_guard("allow"):
        order, mirrored = epoch_order(seed, epoch, size)
    return np.asarray(order), np.asarray(mirrored)
