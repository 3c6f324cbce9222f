import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from conceal_jax.attributes import AttributeSet, Categorical
from conceal_jax.config import DataConfig
from conceal_jax.data.sources.open import open_collection
from tests.data.conftest import SMILE, encode

FILES = {f"{index:02d}.jpg": encode(index) for index in range(30)}
ROWS = [f"{name},{index},{'male' if index % 2 else 'Female'}" for index, name in enumerate(FILES)]
MakeFolder = Callable[[dict[str, bytes], str], Path]


def config_of(folder: Path, **fields: object) -> DataConfig:
    return DataConfig("folder", str(folder), str(folder.parent / "labels.csv"), **fields)  # type: ignore[arg-type]


def test_a_folder_with_a_csv(make_folder: MakeFolder, faces: AttributeSet) -> None:
    folder = make_folder(FILES, "\n".join(["file,age,gender", *ROWS]))
    collection = open_collection(config_of(folder), faces, seed=0)
    np.testing.assert_array_equal(collection.labels["age"], np.arange(30))
    np.testing.assert_array_equal(collection.labels["gender"], np.arange(30) % 2 == 0)
    assert collection.labels["gender"].dtype == np.int32
    assert collection.labels["age"].dtype == np.float32
    assert [collection.read(index) for index in range(30)] == list(FILES.values())
    validation = collection.subset("validation")
    assert 0 < len(validation) < 30
    assert [validation.read(i) for i in range(len(validation))] == [FILES[name] for name in validation.names]


def test_jsonl_is_read_as_csv_is(make_folder: MakeFolder, faces: AttributeSet, tmp_path: Path) -> None:
    folder = make_folder(FILES, "")
    rows = [{"image": name, "age": float(i), "gender": None if i == 3 else "male"} for i, name in enumerate(FILES)]
    (tmp_path / "labels.jsonl").write_text("\n".join([*map(json.dumps, rows), "{broken"]))
    collection = open_collection(DataConfig("folder", str(folder), str(tmp_path / "labels.jsonl")), faces, seed=0)
    np.testing.assert_array_equal(collection.labels["age"], np.arange(30))
    assert collection.labels["gender"].tolist() == [0, 0, 0, -1, *[0] * 26]
    assert "is not JSON" in collection.report.skipped["labels.jsonl line 31"]


def test_wrong_rows_are_skipped_with_the_right_message(make_folder: MakeFolder, faces: AttributeSet) -> None:
    wrong = [
        "00.jpg,-3,male",
        "01.jpg,20,unsure",
        "absent.jpg,20,male",
        "02.jpg,20,male,5",
        "03.jpg,20,male\n03.jpg,21,male",
    ]
    empty = ["04.jpg,,male", "05.jpg,20,"]
    folder = make_folder(FILES, "\n".join(["file,age,gender", *wrong, *empty, *ROWS[6:-2]]))
    collection = open_collection(config_of(folder, max_bad_fraction=0.5), faces, seed=0)
    assert collection.report.skipped == {
        "00.jpg": "age: got -3; it must lie from 0 to 120 years",
        "01.jpg": "gender: unknown class 'unsure'; it is one of male, female",
        "absent.jpg": f"no such file in {folder}",
        "labels.csv line 5": "has 4 cells; the header has 3",
        "03.jpg": "2 rows of labels.csv label it differently",
    }
    assert collection.names.tolist() == list(FILES)[4:-2]
    assert collection.report.missing_labels == {"gender": 1, "age": 1}
    assert collection.labels["gender"][1] == -1
    assert np.isnan(collection.labels["age"][0])
    assert collection.report.used == len(collection) == 24
    assert collection.report.notes == [f"3 pictures in {folder} have no row in labels.csv"]


def test_a_missing_column_is_named_with_those_there_are(make_folder: MakeFolder, faces: AttributeSet) -> None:
    folder = make_folder(FILES, "\n".join(["file,age,sex", *ROWS]))
    with pytest.raises(ValueError, match=r"no column 'gender' in labels\.csv; it has: age, sex"):
        open_collection(config_of(folder), faces, seed=0)
    folder = make_folder(FILES, "\n".join(["photo,age,gender", *ROWS]))
    with pytest.raises(ValueError, match=r"no column of file names in labels\.csv; it has: photo, age"):
        open_collection(config_of(folder), faces, seed=0)


def test_people_stay_on_one_side(make_folder: MakeFolder, faces: AttributeSet) -> None:
    rows = [f"{row},p{index % 7}" for index, row in enumerate(ROWS)]
    folder = make_folder(FILES, "\n".join(["file,age,gender,person", *rows]))
    collection = open_collection(config_of(folder, validation_fraction=0.4), faces, seed=0)
    for person in range(7):
        members = np.arange(30) % 7 == person
        assert len(set(collection.group[members])) == len(set(collection.split[members])) == 1


def test_an_extra_csv_brings_split_groups_and_labels(
    make_folder: MakeFolder, faces: AttributeSet, tmp_path: Path
) -> None:
    folder = make_folder(FILES, "\n".join(["file,age,gender", *ROWS]))
    lines = [f"{name},{'train' if i < 20 else 'validation'},{i // 2},{i / 30}" for i, name in enumerate(FILES)]
    extra = tmp_path / "extra.csv"
    extra.write_text(
        "\n".join(["filename,split,duplicate_group,smile_probability", *lines[:-1], "absent.jpg,train,99,1"])
    )
    attributes = AttributeSet(faces.concealed, (SMILE,))
    collection = open_collection(config_of(folder, extra=str(extra)), attributes, seed=0)
    assert collection.labels["smile"].tolist() == [0] * 15 + [1] * 14 + [-1]
    assert collection.report.splits == {"train": 20, "validation": 10} or collection.split[29] == "train"
    np.testing.assert_array_equal(collection.group[0:28:2], collection.group[1:29:2])
    assert "29 of 30 items have a row; 1 rows have no item" in collection.report.notes[0]

    extra.write_text("\n".join(["filename,split,duplicate_group", "01.jpg,train,7", "02.jpg,validation,7"]))
    with pytest.raises(ValueError, match=r"01\.jpg is in train, 02\.jpg in validation"):
        open_collection(config_of(folder, extra=str(extra)), faces, seed=0)
    extra.write_text("filename,split\nother.jpg,train")
    with pytest.raises(ValueError, match=r"no row of extra\.csv names a file"):
        open_collection(config_of(folder, extra=str(extra)), faces, seed=0)


def test_scores_become_classes_by_threshold(make_folder: MakeFolder) -> None:
    cells = ["-1", "1", "no", "YES", ""]
    files = dict(list(FILES.items())[:5])
    folder = make_folder(files, "\n".join(["file,Smiling", *(f"{n},{c}" for n, c in zip(files, cells, strict=True))]))
    smile = Categorical("smile", ("no", "yes"), column="Smiling", threshold=0)
    collection = open_collection(config_of(folder), AttributeSet((smile,)), seed=0)
    assert collection.labels["smile"].tolist() == [0, 1, 0, 1, -1]


def test_equal_files_stay_together_where_the_source_gives_few_splits(
    make_folder: MakeFolder, faces: AttributeSet
) -> None:
    files = {f"{copy}{index:02d}.jpg": content for index, content in enumerate(FILES.values()) for copy in "ab"}
    splits = {"a00.jpg": "test", "a01.jpg": "train", "b01.jpg": "validation"}
    rows = [f"{name},{name[1:3]},male,{splits.get(name, '')}" for name in files]
    folder = make_folder(files, "\n".join(["file,age,gender,split", *rows]))
    collection = open_collection(config_of(folder, validation_fraction=0.4), faces, seed=0)
    split = dict(zip(collection.names, collection.split, strict=True))
    # The source's own sides stand, and what it leaves open follows its twin.
    assert (split["a00.jpg"], split["b00.jpg"]) == ("test", "test")
    assert (split["a01.jpg"], split["b01.jpg"]) == ("train", "validation")
    assert all(split[f"a{index:02d}.jpg"] == split[f"b{index:02d}.jpg"] for index in range(2, 30))


def test_an_extra_row_is_not_joined_to_a_file_of_another_folder(
    make_folder: MakeFolder, faces: AttributeSet, tmp_path: Path
) -> None:
    place = ["one/" if name < "20" else "more/" for name in FILES]
    files = {f"{at}{name}": content for at, (name, content) in zip(place, FILES.items(), strict=True)}
    rows = [f"{at}{row}" for at, row in zip(place, ROWS, strict=True)]
    folder = make_folder(files, "\n".join(["file,age,gender", *rows]))
    (tmp_path / "extra.csv").write_text("filename,split\n./photos/one/00.jpg,test\n01.jpg,test\ntwo/02.jpg,test\n")
    collection = open_collection(config_of(folder, extra=str(tmp_path / "extra.csv")), faces, seed=0)
    assert collection.names[collection.split == "test"].tolist() == ["one/00.jpg", "one/01.jpg"]
    assert collection.report.notes[0].startswith("extra.csv: 2 of 30 items have a row; 1 rows have no item")


def test_an_extra_csv_belongs_to_the_folder_it_is_called_like(
    make_folder: MakeFolder, faces: AttributeSet, tmp_path: Path
) -> None:
    folder = make_folder(FILES, "\n".join(["file,age,gender", *ROWS]))
    dotted = folder.rename(tmp_path / "faces.v2")
    (tmp_path / "faces_extra.csv").write_text("filename,split\n00.jpg,test\n")
    (tmp_path / "faces.v2_extra.csv").write_text("filename,split\n01.jpg,test\n")
    collection = open_collection(config_of(dotted), faces, seed=0)
    assert collection.names[collection.split == "test"].tolist() == ["01.jpg"]


def test_an_object_a_line_may_hold_any_text(make_folder: MakeFolder, faces: AttributeSet, tmp_path: Path) -> None:
    folder = make_folder(FILES, "")
    rows = [{"image": name, "age": 20.0, "gender": "male", "note": "one\u2028two"} for name in FILES]
    lines = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    (tmp_path / "labels.jsonl").write_text(lines, encoding="utf-8")
    collection = open_collection(DataConfig("folder", str(folder), str(tmp_path / "labels.jsonl")), faces, seed=0)
    assert len(collection) == len(FILES)
