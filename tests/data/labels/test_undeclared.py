"""Which columns become attributes, and that reading them changes nothing else."""

from collections.abc import Callable
from pathlib import Path

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from conceal_jax.attributes import AttributeSet, Categorical, Continuous
from conceal_jax.config import DataConfig
from conceal_jax.data.collection import Items, build_collection, parse_cell
from conceal_jax.data.labels.undeclared import MAX_CLASSES, undeclared_attributes
from conceal_jax.data.report import DataReport
from conceal_jax.data.sources.open import open_collection, open_with_undeclared
from tests.data.conftest import GENDER, encode

MakeFolder = Callable[[dict[str, bytes], str], Path]
DECLARED = AttributeSet((GENDER,))


def items_of(**columns: list[str]) -> Items:
    """Items with a gender and the given columns."""
    count = len(next(iter(columns.values())))
    cells = {"gender": [("male", "female", "")[index % 3] for index in range(count)], **columns}
    names = [f"{index}.jpg" for index in range(count)]
    return Items(names, cells, lambda index: encode(index), DataReport("labels.csv", count))


def only(cells: list[str], column: str = "mark") -> Categorical | Continuous | None:
    """What becomes of a single column."""
    specs = undeclared_attributes(items_of(**{column: cells}), DECLARED)
    assert len(specs) <= 1
    return specs[0] if specs else None


@pytest.mark.parametrize(
    ("cells", "threshold"),
    [
        (["0.1", "0.93", "", "0.500"], 0.5),
        (["0", "1", "1", ""], 0.5),
        (["-1", "1", "1", ""], 0.0),
        ([" -1", "1 ", "-1", "1"], 0.0),
    ],
)
def test_scores_and_flags_are_yes_or_no(cells: list[str], threshold: float) -> None:
    assert only(cells) == Categorical("mark", ("no", "yes"), "mark", threshold)


@pytest.mark.parametrize(
    ("cells", "classes"),
    [
        (["long", "short", "", "long"], ("long", "short")),
        (["Yes", "no", "yes", "no"], ("no", "yes")),
        (["1", "2", "", "2"], ("1", "2")),
        (["0", "3", "2", "1"], ("0", "1", "2", "3")),
        (["True", "False", "True"], ("False", "True")),
    ],
)
def test_few_texts_or_whole_numbers_are_classes(cells: list[str], classes: tuple[str, ...]) -> None:
    spec = only(cells)
    assert isinstance(spec, Categorical)
    assert sorted(name.casefold() for name in spec.classes) == [name.casefold() for name in classes]
    assert spec.threshold is None


@pytest.mark.parametrize(
    ("cells", "low", "high"),
    [
        (["-0.5", "0.25", "", "3"], -0.5, 3.0),
        ([str(index % 30) for index in range(60)], 0.0, 29.0),
    ],
)
def test_other_numbers_are_values_with_their_range(cells: list[str], low: float, high: float) -> None:
    assert only(cells) == Continuous("mark", low, high, column="mark")


@pytest.mark.parametrize(
    "cells",
    [
        ["", "", ""],
        ["0.1", "0.2", "0.3"],
        ["1", "1", ""],
        ["2.5", "2.5", "2.50"],
        ["same", "Same", ""],
        [str(index) for index in range(100, 150)],
        [f"a note on face {index}" for index in range(MAX_CLASSES + 1)],
        [*map(str, range(MAX_CLASSES)), "nan"],
    ],
    ids=["empty", "all no", "all yes", "one value", "one class", "running number", "free text", "numbers and nan"],
)
def test_what_cannot_be_asked_about_is_left_out(cells: list[str]) -> None:
    assert only(cells) is None


@pytest.mark.parametrize(
    "column", ["split", "person", "identity", "group", "duplicate_group", "image_id", "label_conflict", "service_test"]
)
def test_columns_that_are_not_about_the_face(column: str) -> None:
    assert only(["0", "1", "0"], column) is None


def test_names_become_identifiers_that_are_not_taken() -> None:
    cells = {"5_o_Clock_Shadow": ["0", "1", "1"], "hair colour": ["a", "b", "b"], "smile": ["1", "1", "0"]}
    declared = AttributeSet((GENDER,), (Categorical("smile", ("no", "yes"), "grin"),))
    items = items_of(grin=["no", "yes", "yes"], **cells)
    specs = undeclared_attributes(items, declared)
    assert [(spec.name, spec.column) for spec in specs] == [
        ("_5_o_Clock_Shadow", "5_o_Clock_Shadow"),
        ("hair_colour", "hair colour"),
        ("smile_", "smile"),
    ]
    AttributeSet(declared.concealed, (*declared.kept, *specs))


def test_a_column_that_repeats_another_is_asked_about_once() -> None:
    cells = {"sex": ["male", "female", ""], "attributes/Hat": ["1", "-1", "1"], "Hat": ["1", "-1", "1"]}
    assert [spec.name for spec in undeclared_attributes(items_of(**cells), DECLARED)] == ["Hat"]


@hypothesis.given(
    st.lists(
        st.one_of(
            st.sampled_from(["", "0", "1", "-1", "nan", "inf", "Yes", "yes", " yes ", "1e3", "0.5", "٣", "²"]),
            st.integers(-5, 30).map(str),
            st.floats(-2, 2, width=32).map(str),
            st.text(max_size=3),
        ),
        min_size=1,
        max_size=40,
    )
)
def test_every_cell_of_an_undeclared_attribute_can_be_read(cells: list[str]) -> None:
    spec = only(cells)
    if spec is not None:
        labels = np.asarray([parse_cell(spec, text) for text in cells], spec.dtype)
        np.testing.assert_array_equal(spec.is_missing(labels), [not text.strip() for text in cells])
        assert len(set(labels[~spec.is_missing(labels)].tolist())) >= 2


def test_a_collection_is_the_same_with_and_without_them(make_folder: MakeFolder, faces: AttributeSet) -> None:
    files = {f"{index:02d}.jpg": encode(index) for index in range(30)}
    rows = [
        f"{name},{200 if i == 4 else i},{'male' if i % 2 else 'female'},p{i // 2},{i / 30:.2f},"
        for i, name in enumerate(files)
    ]
    folder = make_folder(files, "\n".join(["file,age,gender,person,Smiling,empty", *rows]))
    config = DataConfig("folder", str(folder), str(folder.parent / "labels.csv"))
    plain = open_collection(config, faces, seed=0)
    watched, undeclared = open_with_undeclared(config, faces, seed=0)
    assert undeclared == (Categorical("Smiling", ("no", "yes"), "Smiling", 0.5),)
    assert watched.names.tolist() == plain.names.tolist()
    assert watched.split.tolist() == plain.split.tolist()
    assert watched.report.skipped == plain.report.skipped == {"04.jpg": plain.report.skipped["04.jpg"]}
    np.testing.assert_array_equal(watched.labels["age"], plain.labels["age"])
    expected = [int(round(i / 30, 2) >= 0.5) for i in range(30) if i != 4]
    np.testing.assert_array_equal(watched.labels["Smiling"], expected)
    assert "Smiling" not in plain.labels


def test_an_optional_attribute_that_is_absent_stays_absent() -> None:
    declared = AttributeSet((GENDER,), (Categorical("smile", ("no", "yes"), "grin", optional=True),))
    items = items_of(hat=["0", "1"] * 20)
    specs = undeclared_attributes(items, declared)
    assert [spec.name for spec in specs] == ["hat"]
    collection = build_collection(items, AttributeSet((GENDER,), specs), 0.2)
    assert sorted(collection.labels) == ["gender", "hat"]
