from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conceal_jax.data.grouping import assign_splits, connected_groups, identify, normalise_split

KEYS = st.lists(st.tuples(st.sampled_from(["", *"abcdefgh"]), st.sampled_from(["", *"123456"])), min_size=1)


def names_of(count: int) -> np.ndarray:
    return np.asarray([f"{index:05d}.jpg" for index in range(count)], object)


@given(KEYS)
def test_groups_are_the_transitive_closure_of_shared_keys(pairs: list[tuple[str, str]]) -> None:
    linked = np.asarray(
        [[i == j or any(a and a == b for a, b in zip(p, q, strict=True)) for j, q in enumerate(pairs)]
         for i, p in enumerate(pairs)]
    )  # fmt: skip
    for _ in pairs:
        linked = linked @ linked
    group = connected_groups(list(zip(*pairs, strict=True)), len(pairs))
    np.testing.assert_array_equal(group[:, None] == group[None, :], linked)


def divide(names: np.ndarray, *arguments: Any) -> np.ndarray:
    return assign_splits(names, identify(names.tolist()), *arguments)


@given(st.lists(st.integers(0, 30), min_size=40, max_size=80))
def test_no_group_is_divided_and_both_sides_have_items(numbers: list[int]) -> None:
    group = np.asarray([*numbers, 100, 101])
    split = divide(names_of(len(group)), np.full(len(group), "", object), group, 0.3, "x")
    assert {"train", "validation"} == set(split)
    for number in group:
        assert len(set(split[group == number])) == 1


def test_the_division_has_the_share_asked_for_and_ignores_other_items() -> None:
    group = np.arange(4000)
    none = np.full(4000, "", object)
    split = divide(names_of(4000), none, group, 0.2, "x")
    assert abs((split == "validation").mean() - 0.2) < 4 * np.sqrt(0.2 * 0.8 / 4000)
    fewer = divide(names_of(1000), none[:1000], group[:1000], 0.2, "x")
    np.testing.assert_array_equal(split[:1000], fewer)


def test_a_given_split_extends_to_the_group() -> None:
    given_split = np.asarray(["train", "validation", "", ""], object)
    split = divide(names_of(4), given_split, np.asarray([0, 1, 1, 0]), 0.5, "x")
    assert split.tolist() == ["train", "validation", "validation", "train"]


def test_a_split_that_separates_a_group_is_refused_by_name() -> None:
    given_split = np.asarray(["train", "train", "validation"], object)
    with pytest.raises(ValueError, match=r"00001\.jpg is in train, 00002\.jpg in validation, but they are dup"):
        divide(names_of(3), given_split, np.asarray([0, 1, 1]), 0.5, "x")


def test_an_empty_side_is_refused() -> None:
    with pytest.raises(ValueError, match="no item for train"):
        divide(names_of(2), np.full(2, "", object), np.asarray([0, 0]), 0.5, "faces")


def test_spellings_of_splits() -> None:
    assert [normalise_split(text) for text in ("Train", "val", " dev ", "")] == [
        "train",
        "validation",
        "validation",
        "",
    ]
    with pytest.raises(ValueError, match="'holdout'"):
        normalise_split("holdout")
