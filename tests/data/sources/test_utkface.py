import os
from pathlib import Path

import numpy as np
import pytest

from conceal_jax.attributes import AttributeSet
from conceal_jax.config import DataConfig
from conceal_jax.data.report import BadDataError
from conceal_jax.data.sources.open import open_collection
from conceal_jax.data.sources.utkface import parse_name
from tests.data.conftest import AGE, ETHNICITY, GENDER, SMILE, encode, write_zip

REAL = Path(__file__).parents[3] / "shared" / "data"
TAIL = "_20170116220224657.jpg.chip.jpg"


@pytest.mark.parametrize("name", ["24_0_1_20170116220224657 .jpg.chip.jpg", "24_0_1_20170116232725357jpg.chip.jpg"])
def test_a_typo_after_the_labels_does_no_harm(name: str) -> None:
    assert parse_name(name) == ("24", "male", "Black")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("39_1_20170116174525125.jpg.chip.jpg", "lacks a field"),
        ("39_3_0" + TAIL, "gender: got '3'"),
        ("39_0_7" + TAIL, "race: got '7'"),
        ("notes.txt", "not that of a picture"),
    ],
)
def test_wrong_names_say_what_is_wrong(name: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_name(name)


def test_wrong_items_are_listed_and_the_rest_is_used(tmp_path: Path) -> None:
    good = {f"faces/{age}_{age % 2}_{age % 5}{TAIL}": encode(age) for age in range(20, 40)}
    bad = {f"faces/{name}{TAIL}": encode(0) for name in ("-3_0_0", "121_0_0", "x_0_0", "30_1")}
    config = DataConfig("utkface", str(write_zip(tmp_path / "faces.zip", good | bad)), max_bad_fraction=0.2)
    attributes = AttributeSet((GENDER, ETHNICITY, AGE))
    collection = open_collection(config, attributes, seed=0)
    assert sorted(collection.names) == sorted(name.removeprefix("faces/") for name in good)
    for index, name in enumerate(collection.names):
        age, gender, ethnicity = (int(field) for field in name.split("_")[:3])
        assert collection.labels["age"][index] == age
        assert (collection.labels["gender"][index], collection.labels["ethnicity"][index]) == (
            gender,
            ethnicity,
        )
    reasons = {name.partition("_2017")[0]: reason for name, reason in collection.report.skipped.items()}
    assert reasons["-3_0_0"] == "age: got -3; it must lie from 0 to 120 years"
    assert reasons["121_0_0"] == "age: got 121; it must lie from 0 to 120 years"
    assert reasons["x_0_0"] == "age: got 'x'; give a number from 0 to 120 years"
    assert "lacks a field" in reasons["30_1"]
    with pytest.raises(BadDataError, match=r"4 of 24 items .*16\.7%.*max_bad_fraction=0\.1"):
        collection.report.require_mostly_good(0.1)


def test_a_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadDataError, match=r"found no item .*check data\.path"):
        open_collection(DataConfig("utkface", str(tmp_path)), AttributeSet((AGE,)), seed=0)


def test_equal_files_fall_on_one_side(tmp_path: Path) -> None:
    files = {f"{age}_0_{race}{TAIL}": encode(age) for age in range(40) for race in range(3)}
    path = str(write_zip(tmp_path / "faces.zip", files))
    collection = open_collection(DataConfig("utkface", path, validation_fraction=0.4), AttributeSet((AGE,)), seed=0)
    assert len(set(collection.group)) == 40
    for age in range(40):
        assert len(set(collection.split[collection.labels["age"] == age])) == 1


@pytest.mark.skipif(not REAL.is_dir(), reason="../shared/data with the real UTKFace faces is not here")
def test_the_real_collection_has_21326_usable_faces() -> None:
    config = DataConfig(
        "utkface", str(REAL / "utkface64.zip"), extra=str(REAL / "utkface64_extra.csv"), max_bad_fraction=0.001
    )
    collection = open_collection(config, AttributeSet((GENDER, ETHNICITY, AGE), (SMILE,)), seed=0)
    report = collection.report
    assert (report.found, report.used, len(collection)) == (21329, 21326, 21326)
    assert all("lacks a field" in reason for reason in report.skipped.values())
    assert report.splits == {"train": 18966, "validation": 2360}
    assert not set(collection.subset("train").group) & set(collection.subset("validation").group)
    assert abs((collection.labels["gender"] == 0).mean() - 0.523) < 0.005
    assert np.nanmedian(collection.labels["age"]) == 29


def test_who_is_for_validation_does_not_depend_on_what_else_lies_there(tmp_path: Path) -> None:
    files = {f"faces/{age}_{age % 2}_{age % 5}{TAIL}": encode(age) for age in range(100)}
    more = {"notes.txt": b"of the pictures", f"more/30_0_0{TAIL}": encode(200)}
    attributes = AttributeSet((GENDER, ETHNICITY, AGE))

    def validation(name: str, files: dict[str, bytes]) -> set[str]:
        config = DataConfig("utkface", str(write_zip(tmp_path / name, files)), validation_fraction=0.3)
        names = open_collection(config, attributes, seed=0).subset("validation").names
        return {name.rpartition("/")[2] for name in names} - {f"30_0_0{TAIL}"}

    first = validation("faces.zip", {name.removeprefix("faces/"): content for name, content in files.items()})
    assert validation("in_a_folder.zip", files) == validation("with_more.zip", files | more) == first
    assert 15 < len(first) < 45


def test_a_name_that_is_no_text_is_a_name(tmp_path: Path) -> None:
    for age in range(20):
        (tmp_path / f"{age}_0_0{TAIL}").write_bytes(encode(age))
    name = os.fsdecode(b"30_0_0_caf\xe9.jpg")
    (tmp_path / name).write_bytes(encode(30))
    config = DataConfig("utkface", str(tmp_path), validation_fraction=0.3)
    assert name in open_collection(config, AttributeSet((GENDER, AGE)), seed=0).names
