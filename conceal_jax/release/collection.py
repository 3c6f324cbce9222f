"""Collections of photos to codes or to concealed pictures, shard by shard."""

import dataclasses
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from conceal_jax import __version__, attributes, config_files
from conceal_jax.data.archive import Archive
from conceal_jax.release.concealer import Concealer
from conceal_jax.release.job import Job, write_atomically
from conceal_jax.release.photos import Crop, write_picture
from conceal_jax.release.pipeline import Photos, decoded_batches
from conceal_jax.release.shards import shard_bytes


@dataclasses.dataclass(frozen=True)
class Work:
    """What one process does of a job.

    Attributes:
        job: what there is to do.
        archive: that the photos are in.
        concealer: of the run.
        crop: how photos become squares.
        key: the secret that keys the noise, if it is not to be fresh.
        part, parts: this process's share, counted from 1.
        workers: threads that decode, and that write pictures.
        advance: is told, now and then, how many more files are through.
        is_stopping: whether to leave off; what is done stays done.
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

    def batches(self) -> Iterator[tuple[int, bool, Photos]]:
        """Shard, whether the shard ends here, and photos: all that is left to do, until told to stop."""
        size = self.concealer.batch_size
        todo = [
            (shard, start + size >= len(self.job.shards[shard]), self.job.shards[shard][start : start + size])
            for shard in self.job.remaining(self.part, self.parts)
            for start in range(0, len(self.job.shards[shard]), size)
        ]
        entries = (part for _, _, part in todo)
        decoded = decoded_batches(
            self.archive, entries, size=self.concealer.image_size, crop=self.crop, workers=self.workers
        )
        for (shard, is_last, part), photos in zip(todo, decoded, strict=True):
            if self.is_stopping():
                decoded.close()
                return
            yield shard, is_last, photos
            self.advance(len(part))


def shard_file(shard: int, kind: str) -> str:
    """The name of a shard of codes."""
    return f"codes-{shard:05d}.{kind}"


def encode_collection(work: Work, kind: str) -> None:
    """Writes the work's remaining shards of codes, in the format `kind`, into the job's folder."""
    names: list[str] = []
    codes: list[np.ndarray] = []
    skipped: dict[str, str] = {}
    for shard, is_last, photos in work.batches():
        names += photos.names
        skipped |= photos.skipped
        codes.append(work.concealer.encode(photos.pictures, work.key))
        if is_last:
            content = shard_bytes(names, np.concatenate(codes), kind)
            write_atomically(work.job.out / shard_file(shard, kind), content)
            work.job.complete_shard(shard, skipped)
            names, codes, skipped = [], [], {}


def conceal_collection(work: Work, request: str) -> None:
    """Writes the work's remaining photos as concealed PNGs, under the attributes asked for, into the job's folder."""
    skipped: dict[str, str] = {}
    with ThreadPoolExecutor(work.workers) as pool:
        for shard, is_last, photos in work.batches():
            skipped |= photos.skipped
            concealed = work.concealer.conceal(photos.pictures, request, work.key)
            paths = [work.job.out / f"{name}.png" for name in photos.names]
            # The list raises what a thread has raised.
            list(pool.map(write_picture, paths, concealed))
            if is_last:
                work.job.complete_shard(shard, skipped)
                skipped = {}


def describe(concealer: Concealer, crop: Crop, key: bytes | None) -> dict[str, Any]:
    """What a manifest says of how something was made: the model and its configuration, without any path."""
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
