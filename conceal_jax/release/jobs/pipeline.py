"""Decodes photos ahead of the encoder: threads read and decode batches of one size, in order."""

import contextlib
import dataclasses
import itertools
import os
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import numpy as np

from conceal_jax.data.archive import Archive, UnreadableFileError
from conceal_jax.data.pictures import BadPictureError
from conceal_jax.release.jobs.job import Entry
from conceal_jax.release.photos import Crop, read_photo

_Task = TypeVar("_Task")
_Result = TypeVar("_Result")

_DECODED_AT_ONCE = 32
"""Photos that a thread decodes at once."""

_SMALL_BYTES = 4096
"""Photos of up to so many bytes are decoded by one thread at a time: most of that work holds Python's lock, and two
threads lose more time by handing it to each other than they gain."""


@dataclasses.dataclass(frozen=True)
class Photos:
    """Some entries of a collection, decoded.

    Attributes:
        names: of the pictures.
        pictures: uint8 [N, S, S, 3].
        skipped: the reason by name of entries that have none.
    """

    names: list[str]
    pictures: np.ndarray
    skipped: dict[str, str]


def default_workers() -> int:
    """As many threads as cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def decoded_batches(
    archive: Archive, batches: Iterable[Sequence[Entry]], *, size: int, crop: Crop, workers: int
) -> Generator[Photos, None, None]:
    """Decodes batches of entries, in order, up to two batches ahead of the consumer.

    Args:
        archive: that the entries' sources are in.
        batches: of entries.
        size, crop: as for `read_photo`.
        workers: threads that decode.
    """
    lengths: deque[int] = deque()

    def chunks() -> Iterator[Sequence[Entry]]:
        for batch in batches:
            parts = [batch[start : start + _DECODED_AT_ONCE] for start in range(0, len(batch), _DECODED_AT_ONCE)]
            lengths.append(len(parts))
            yield from parts

    ahead, turn = 2 * max(8, workers), threading.Lock()
    decoded = read_ahead(chunks(), lambda entries: _decode(archive, entries, size, crop, turn), workers, ahead)
    for first in decoded:
        yield _joined([first, *itertools.islice(decoded, lengths.popleft() - 1)])


def read_ahead(
    tasks: Iterable[_Task], function: Callable[[_Task], _Result], workers: int, ahead: int
) -> Iterator[_Result]:
    """Results of a function, in order, computed by threads; at most `ahead` of them wait to be taken."""
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[Future[_Result]] = deque()
        try:
            for task in tasks:
                waiting.append(pool.submit(function, task))
                if len(waiting) > ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _decode(archive: Archive, entries: Sequence[Entry], size: int, crop: Crop, turn: threading.Lock) -> Photos:
    names: list[str] = []
    skipped: dict[str, str] = {}
    pictures = np.empty((len(entries), size, size, 3), np.uint8)
    with contextlib.ExitStack() as alone:
        for entry in entries:
            try:
                content = archive.read(entry.source)
                # The first decides for all: a collection of thumbnails holds little else.
                if entry is entries[0] and len(content) <= _SMALL_BYTES:
                    alone.enter_context(turn)
                pictures[len(names)] = read_photo(content, size, crop)
                names.append(entry.name)
            except (UnreadableFileError, BadPictureError) as error:
                skipped[entry.name] = str(error)
    return Photos(names, pictures[: len(names)], skipped)


def _joined(parts: Sequence[Photos]) -> Photos:
    return Photos(
        [name for part in parts for name in part.names],
        np.concatenate([part.pictures for part in parts]),
        {name: reason for part in parts for name, reason in part.skipped.items()},
    )
