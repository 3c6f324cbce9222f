import threading

import numpy as np
import pytest

from conceal_jax.data.archive import open_archive
from conceal_jax.release.jobs.job import Entry
from conceal_jax.release.jobs.pipeline import decoded_batches, read_ahead
from conceal_jax.release.photos import read_photo
from tests.release.photographs import RUBBISH, write_album, write_rubbish


def test_batches_come_in_order_with_what_was_skipped(tmp_path):
    write_album(write_rubbish(tmp_path), 90)
    archive = open_archive(str(tmp_path))
    entries = [Entry(f"name {row}", source) for row, source in enumerate(archive.pictures)]
    batches = [entries[:70], entries[70:71], entries[71:]]
    found = list(decoded_batches(archive, batches, size=32, crop="center", workers=3))
    skipped = {}
    for batch, photos in zip(batches, found, strict=True):
        good = [entry for entry in batch if entry.name not in photos.skipped]
        assert photos.names == [entry.name for entry in good]
        expected = [read_photo(archive.read(entry.source), 32, "center") for entry in good]
        np.testing.assert_array_equal(photos.pictures, np.reshape(expected, (-1, 32, 32, 3)))
        skipped |= photos.skipped
    sources = {entry.name: entry.source for entry in entries}
    assert {sources[name] for name in skipped} == set(RUBBISH)
    assert all(RUBBISH[sources[name]][1] in reason for name, reason in skipped.items())


def test_no_more_is_computed_ahead_than_asked():
    begun = []
    results = read_ahead(range(100), lambda task: begun.append(task) or task, workers=2, ahead=5)
    assert next(results) == 0
    assert len(begun) <= 6
    assert list(results) == list(range(1, 100))


def test_an_error_in_a_thread_is_raised():
    def fail(task):
        if task == 3:
            raise OSError("disk on fire")
        return task

    with pytest.raises(OSError, match="disk on fire"):
        list(read_ahead(range(10), fail, workers=2, ahead=4))
    assert threading.active_count() < 10
