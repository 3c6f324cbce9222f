"""The resident and the stream path yield the same batches."""

import dataclasses
import itertools
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conceal_jax.attributes import AttributeSet
from conceal_jax.config import DataConfig
from conceal_jax.data.batches import evaluation_batches
from conceal_jax.data.collection import Collection
from conceal_jax.data.order import epoch_order, steps_per_epoch
from conceal_jax.data.report import BadDataError
from conceal_jax.data.resident import draw_batch, load_resident
from conceal_jax.data.sources.open import open_collection
from tests.data.conftest import encode

COUNT, BATCH, SIZE, SEED = 45, 8, 32, 3
BAD = {"07.jpg": b"", "11.jpg": b"text, not a picture", "20.jpg": encode(20)[:-150]}


@pytest.fixture
def collection(make_folder: Callable[..., Path], faces: AttributeSet) -> Collection:
    files = {f"{index:02d}.jpg": encode(index, size=(40, 36)) for index in range(COUNT)} | BAD
    rows = [
        f"{name},{index},{['male', 'female', ''][index % 3]},{'validation' if index == 0 else 'train'}"
        for index, name in enumerate(sorted(files))
    ]
    folder = make_folder(files, "\n".join(["file,age,gender,split", *rows]))
    config = DataConfig("folder", str(folder), str(folder.parent / "labels.csv"))
    return open_collection(config, faces, seed=0).subset("train")


def resident_batches(collection: Collection, start: int, batch_size: int = BATCH) -> Iterator[Any]:
    resident = jax.tree.map(jnp.asarray, load_resident(collection, SIZE, "center"))
    size = len(collection)
    draw = jax.jit(draw_batch)
    for step in itertools.count(start):
        epoch, step_in_epoch = divmod(step, steps_per_epoch(size, batch_size))
        rows = jnp.arange(batch_size, dtype=jnp.int32) + step_in_epoch * batch_size
        yield draw(*resident, *epoch_order(SEED, epoch, size), rows)


def stream_batches(
    collection: Collection, start: int, batch_size: int = BATCH, process: tuple[int, int] = (0, 1), **data: Any
) -> Iterator[Any]:
    from conceal_jax.data.stream import train_batches

    config = DataConfig(**{"image_size": SIZE, "max_bad_fraction": 1.0, **data})
    shares = {"process_index": process[0], "process_count": process[1]}
    return train_batches(collection, config, batch_size=batch_size, seed=SEED, start_step=start, **shares)


def assert_equal(first: Any, second: Any) -> None:
    jax.tree.map(np.testing.assert_array_equal, first, second)


@pytest.mark.parametrize("start", [0, 4, 1000])
def test_stream_and_resident_batches_are_the_same(collection: Collection, start: int) -> None:
    steps = 2 * steps_per_epoch(len(collection), BATCH) + 1
    pairs = zip(resident_batches(collection, start), stream_batches(collection, start), strict=True)
    for resident, stream in itertools.islice(pairs, steps):
        assert_equal(resident, stream)
        assert stream["image"].dtype == np.uint8
        assert stream["image"].shape == (BATCH, SIZE, SIZE, 3)
    assert set(collection.report.skipped) == set(BAD)
    assert "empty" in collection.report.skipped["07.jpg"]
    assert "not a picture" in collection.report.skipped["11.jpg"]
    assert "truncated" in collection.report.skipped["20.jpg"]


def test_an_epoch_shows_every_good_item_once_and_masks_the_rest(collection: Collection) -> None:
    steps = steps_per_epoch(len(collection), BATCH)
    batches = list(itertools.islice(stream_batches(collection, steps), steps))
    ages = np.concatenate([batch["labels"]["age"][batch["mask"]] for batch in batches])
    expected = collection.labels["age"][~np.isin(collection.names, list(BAD))]
    np.testing.assert_array_equal(np.sort(ages), expected)
    assert all(not batch["image"][~batch["mask"]].any() for batch in batches)


def test_two_processes_share_every_batch(collection: Collection) -> None:
    whole = stream_batches(collection, 0)
    parts = [stream_batches(collection, 0, process=(index, 2)) for index in range(2)]
    for batch, first, second in itertools.islice(zip(whole, *parts, strict=True), 13):
        assert len(first["mask"]) == len(second["mask"]) == BATCH // 2
        assert_equal(batch, jax.tree.map(lambda a, b: np.concatenate([a, b]), first, second))
    with pytest.raises(ValueError, match="a batch of 8 cannot be shared by 3 processes"):
        stream_batches(collection, 0, process=(0, 3))


def test_flips_mirror_about_half_of_the_pictures_and_can_be_switched_off(collection: Collection) -> None:
    plain, flipped = (next(stream_batches(collection, 0, batch_size=40, flip=flip)) for flip in (False, True))
    mirrored = [np.array_equal(a, b[:, ::-1]) for a, b in zip(plain["image"], flipped["image"], strict=True)]
    same = [np.array_equal(a, b) for a, b in zip(plain["image"], flipped["image"], strict=True)]
    seen = plain["mask"]
    assert (np.asarray(mirrored) | np.asarray(same))[seen].all()
    assert 0 < np.sum(np.asarray(mirrored)[seen]) < seen.sum()


def test_a_stream_stops_once_too_much_is_bad(collection: Collection) -> None:
    with pytest.raises(BadDataError, match=r"of 45 items .*max_bad_fraction=0\.01"):
        for _ in itertools.islice(stream_batches(collection, 0, max_bad_fraction=0.01), 20):
            pass


def test_files_that_vanish_are_masked_and_listed_until_there_are_too_many(
    make_folder: Callable[..., Path], faces: AttributeSet
) -> None:
    names = [f"{index}.jpg" for index in range(40)]
    rows = [f"{name},male,{index},{'train' if index < 32 else 'val'}" for index, name in enumerate(names)]
    files = {name: encode(index) for index, name in enumerate(names)}
    folder = make_folder(files, "\n".join(["filename,gender,age,split", *rows]))
    config = DataConfig(source="folder", path=str(folder), labels=str(folder.parent / "labels.csv"))
    train = open_collection(config, faces, seed=0).subset("train")
    batches = stream_batches(train, 0, batch_size=8, max_bad_fraction=0.1)
    assert next(batches)["mask"].all()
    (folder / "3.jpg").unlink()
    # To the end of the fourth epoch, which begins after all that was read ahead.
    later = [next(batches)["mask"].sum() for _ in range(15)]
    assert sum(later[-4:]) == 31
    assert train.report.skipped == {"3.jpg": "cannot be read: No such file or directory"}
    shutil.rmtree(folder)
    with pytest.raises(BadDataError, match=r"of 40 items .*max_bad_fraction=0\.1"):
        for _ in itertools.islice(batches, 40):
            pass


def test_evaluation_batches_are_in_order_once_with_a_masked_tail(collection: Collection) -> None:
    batches = list(evaluation_batches(collection, batch_size=10, image_size=SIZE, crop="center"))
    joined = jax.tree.map(lambda *parts: np.concatenate(parts), *batches)
    size = len(collection)
    assert len(joined["mask"]) == 50
    assert not joined["mask"][size:].any()
    resident = load_resident(collection, SIZE, "center")
    np.testing.assert_array_equal(joined["image"][:size], resident.images)
    np.testing.assert_array_equal(joined["mask"][:size], resident.valid)
    assert_equal({name: values[:size] for name, values in joined["labels"].items()}, resident.labels)


def test_processes_share_out_every_evaluation_batch(collection: Collection) -> None:
    options: dict[str, Any] = {"image_size": SIZE, "crop": "center", "process_count": 2}
    parts = [list(evaluation_batches(collection, batch_size=10, process_index=index, **options)) for index in (0, 1)]
    together = [jax.tree.map(lambda *halves: np.concatenate(halves), *halves) for halves in zip(*parts, strict=True)]
    for batch, whole in zip(
        together, evaluation_batches(collection, batch_size=10, image_size=SIZE, crop="center"), strict=True
    ):
        assert_equal(batch, whole)
    with pytest.raises(ValueError, match="a batch of 9 cannot be shared by 2 processes"):
        next(evaluation_batches(collection, batch_size=9, **options))


def test_synthetic_faces_pass_through_both_paths(faces: AttributeSet) -> None:
    config = DataConfig(synthetic_count=24, image_size=SIZE)
    collection = open_collection(config, faces, seed=1)
    assert collection.report.splits == {"train": 22, "validation": 2}
    train = dataclasses.replace(collection.subset("train"))
    pairs = zip(resident_batches(train, 0), stream_batches(train, 0), strict=True)
    for resident, stream in itertools.islice(pairs, 4):
        assert_equal(resident, stream)


def test_settings_are_chosen_by_training_people_alone(faces: AttributeSet) -> None:
    config = DataConfig(synthetic_count=200, image_size=SIZE)
    whole = open_collection(config, faces, seed=1)
    chosen = open_collection(dataclasses.replace(config, selection=True), faces, seed=1)
    judged, learned = set(chosen.subset("validation").names), set(chosen.subset("train").names)
    assert judged | learned == set(whole.subset("train").names)
    assert not judged & learned
    assert len(judged) == round(0.1 * len(whole.subset("train")))


@given(st.integers(0, 2**31 - 1), st.integers(0, 10**6))
def test_an_epoch_is_a_permutation_that_depends_on_seed_and_epoch(seed: int, epoch: int) -> None:
    order, flip = epoch_order(seed, epoch, 50)
    np.testing.assert_array_equal(np.sort(order), np.arange(50))
    np.testing.assert_array_equal(order, epoch_order(seed, epoch, 50)[0])
    assert not np.array_equal(order, epoch_order(seed, epoch + 1, 50)[0])
    assert flip.dtype == bool
    assert 5 < flip.sum() < 45


def test_a_process_ends_while_a_stream_is_running() -> None:
    code = """
from conceal_jax.attributes import AttributeSet, Continuous
from conceal_jax.config import DataConfig
from conceal_jax.data.stream import train_batches
from conceal_jax.data.sources.open import open_collection
age = AttributeSet((Continuous("age", 0, 100),))
config = DataConfig(synthetic_count=256)
batches = train_batches(open_collection(config, age, 0).subset("train"), config, batch_size=8, seed=0)
next(batches)
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120, capture_output=True)
