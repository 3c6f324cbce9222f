import dataclasses
import logging
from pathlib import Path

import numpy as np
import pytest

from conceal_jax.attributes import AttributeSet
from conceal_jax.config import DataConfig
from conceal_jax.data.collection import Collection
from conceal_jax.data.sources.open import open_collection
from conceal_jax.runs.learned_from import remember, require_new
from conceal_jax.runs.run_directory import LEARNED_FROM
from tests.data.conftest import AGE, GENDER, encode, write_zip


def faces(folder: Path, fraction: float, ages: range = range(60)) -> Collection:
    files = {f"{age}_{age % 2}_0_1.jpg": encode(age) for age in ages}
    config = DataConfig("utkface", str(write_zip(folder / "faces.zip", files)), validation_fraction=fraction)
    return open_collection(config, AttributeSet((GENDER, AGE)), seed=0)


def test_who_was_learned_from_is_not_judged(tmp_path: Path) -> None:
    people = faces(tmp_path, 0.2)
    remember(tmp_path, people.subset("train"), people.subset("validation"))
    require_new(tmp_path, people.subset("validation"))
    moved = faces(tmp_path, 0.6).subset("validation")
    both = np.isin(moved.names, people.subset("train").names).sum()
    with pytest.raises(ValueError, match=f"has learned from {both} of the {len(moved)} people"):
        require_new(tmp_path, moved)


def test_people_who_came_later_are_new_until_they_are_learned_from(tmp_path: Path) -> None:
    first, more = faces(tmp_path, 0.2), faces(tmp_path, 0.2, range(100))
    remember(tmp_path, first.subset("train"), first.subset("validation"))
    require_new(tmp_path, more.subset("validation"))
    remember(tmp_path, more.subset("train"), more.subset("validation"))
    with pytest.raises(ValueError, match="has learned from"):
        require_new(tmp_path, more.subset("train"))
    with pytest.raises(ValueError, match="has learned from"):
        require_new(tmp_path, first.subset("train"))


def test_a_run_that_does_not_say_is_told_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        require_new(tmp_path, faces(tmp_path, 0.2))
    assert "does not say whom it learned from" in caplog.text


def test_a_damaged_list_is_named(tmp_path: Path) -> None:
    (tmp_path / LEARNED_FROM).write_text("contents\nnot a number")
    with pytest.raises(ValueError, match=f"{LEARNED_FROM} is damaged"):
        require_new(tmp_path, faces(tmp_path, 0.2))


def test_what_the_source_has_on_both_sides_stays_there(tmp_path: Path) -> None:
    people = faces(tmp_path, 0.2)
    train, validation = people.subset("train"), people.subset("validation")
    twin = np.append(train.identity[1:], validation.identity[0])
    remember(tmp_path, dataclasses.replace(train, identity=twin), validation)
    require_new(tmp_path, validation)
    with pytest.raises(ValueError, match=f"has learned from {len(train) - 1} of the {len(train)} people"):
        require_new(tmp_path, train)


def test_a_split_that_is_lost_is_found_out(tmp_path: Path) -> None:
    splits = "".join(f"{age}_{age % 2}_0_1.jpg,{'validation' if age < 10 else 'train'}\n" for age in range(60))
    (tmp_path / "faces_extra.csv").write_text("filename,split\n" + splits)
    people = faces(tmp_path, 0.2)
    remember(tmp_path, people.subset("train"), people.subset("validation"))
    (tmp_path / "faces_extra.csv").unlink()
    with pytest.raises(ValueError, match=r"by names, and .* is divided by contents now"):
        require_new(tmp_path, faces(tmp_path, 0.2).subset("validation"))
