"""Encodes or conceals a collection of photos, shard by shard."""

import dataclasses
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from conceal_jax.attributes import attribute_set as attributes
from conceal_jax.config import files as config_files
from conceal_jax.data.archive import Archive
from conceal_jax.release.concealer import Concealer
from conceal_jax.release.jobs.job import Job, write_atomically
from conceal_jax.release.jobs.pipeline import Photos, decoded_batches, read_ahead
from conceal_jax.release.jobs.shards import shard_bytes
from conceal_jax.release.photos import Crop, write_picture
from conceal_jax.version import __version__

_COMPUTED_AT_ONCE = 2
"""Batches; while the noise of one is drawn, the device computes the other."""


@dataclasses.dataclass(frozen=True)
class Batch:
    """Photos of one shard.

    Attributes:
        shard: its number.
        is_last: whether the shard ends here.
        photos: decoded.
    """

    shard: int
    is_last: bool
    photos: Photos


@dataclasses.dataclass(frozen=True)
class Work:
    """The share of a job that one process does.

    Attributes:
        job: the shards and their state.
        archive: that the photos are in.
        concealer: of the run.
        crop: how photos become squares.
        key: the secret that keys the noise, if it is not to be fresh.
        part, parts: this process's share, counted from 1.
        workers: threads that decode, and that write pictures.
        advance: called with the number of files done since the last call.
        is_stopping: whether to stop; finished shards stay.
    """

    job: Job
    archive: Archive
    concealer: Concealer
    crop: Crop
    key: bytes | None = None
    part: int = 1
    parts: int = 1
    workers: int = 2
    advance: Callable[[int], object] = lambda count: None
    is_stopping: Callable[[], bool] = lambda: False

    def batches(self) -> Iterator[Batch]:
        """The remaining batches, until the job is stopped."""
        size = self.concealer.batch_size
        todo = [
            (shard, start, self.job.shards[shard])
            for shard in self.job.remaining(self.part, self.parts)
            for start in range(0, len(self.job.shards[shard]), size)
        ]
        decoded = decoded_batches(
            self.archive,
            (entries[start : start + size] for _, start, entries in todo),
            size=self.concealer.image_size,
            crop=self.crop,
            workers=self.workers,
        )
        for (shard, start, entries), photos in zip(todo, decoded, strict=True):
            if self.is_stopping():
                decoded.close()
                return
            yield Batch(shard, start + size >= len(entries), photos)
            self.advance(min(size, len(entries) - start))


def shard_file(shard: int, kind: str) -> str:
    """The name of a shard of codes."""
    return f"codes-{shard:05d}.{kind}"


def encode_collection(work: Work, kind: str) -> None:
    """Writes the work's remaining shards of codes, in the format `kind`, into the job's folder."""

    def encode(batch: Batch) -> tuple[Batch, np.ndarray]:
        return batch, work.concealer.encode(batch.photos.pictures, work.key)

    names: list[str] = []
    codes: list[np.ndarray] = []
    skipped: dict[str, str] = {}
    for batch, encoded in read_ahead(work.batches(), encode, _COMPUTED_AT_ONCE, _COMPUTED_AT_ONCE):
        names += batch.photos.names
        skipped |= batch.photos.skipped
        codes.append(encoded)
        if batch.is_last:
            content = shard_bytes(names, np.concatenate(codes), kind)
            write_atomically(work.job.out / shard_file(batch.shard, kind), content)
            work.job.complete_shard(batch.shard, skipped)
            names, codes, skipped = [], [], {}


def conceal_collection(work: Work, request: str) -> None:
    """Writes the work's remaining photos as concealed PNGs, under the requested attributes, into the job's folder."""

    def conceal(batch: Batch) -> Batch:
        concealed = work.concealer.conceal(batch.photos.pictures, request, work.key)
        paths = [work.job.out / f"{name}.png" for name in batch.photos.names]
        # The list raises what a thread has raised.
        list(writers.map(write_picture, paths, concealed))
        return batch

    skipped: dict[str, str] = {}
    with ThreadPoolExecutor(work.workers) as writers:
        for batch in read_ahead(work.batches(), conceal, _COMPUTED_AT_ONCE, _COMPUTED_AT_ONCE):
            skipped |= batch.photos.skipped
            if batch.is_last:
                work.job.complete_shard(batch.shard, skipped)
                skipped = {}


def describe(concealer: Concealer, crop: Crop, key: bytes | None) -> dict[str, Any]:
    """How a release was made, for its manifest: the model and its configuration, without any path."""
    run = concealer.run
    config = config_files.to_tree(run.config)
    config["data"] = {name: config["data"][name] for name in ("source", "image_size", "crop")}
    return {
        "version": __version__,
        "model": concealer.model_hash,
        "step": run.step,
        "config": {**config, "attributes": attributes.to_tree(run.attributes)},
        "crop": crop,
        "noise": "fresh" if key is None else "keyed by photo and secret",
    }
