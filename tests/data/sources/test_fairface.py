from pathlib import Path

import pytest

from conceal_jax.attributes import AttributeSet, Categorical
from conceal_jax.config import DataConfig
from conceal_jax.data.sources.fairface import AGE_GROUPS, repair_age_group
from conceal_jax.data.sources.open import open_collection
from tests.data.conftest import AGE, encode, write_zip

RACES = ("Black", "East Asian", "Indian", "Latino_Hispanic", "Middle Eastern", "Southeast Asian", "White")
ATTRIBUTES = AttributeSet(
    (
        Categorical("gender", ("male", "female")),
        Categorical("ethnicity", RACES, column="race"),
        Categorical("age", AGE_GROUPS),
    )
)
HEADER = "file,age,gender,race,service_test\n"
TRAIN = (
    HEADER + "train/1.jpg,03-Sep,Male,East Asian,True\ntrain/2.jpg,more than 70,Female,White,False\n"
    "train/3.jpg,19-Oct,Female,Latino_Hispanic,False\n"
)
VALIDATION = HEADER + "val/1.jpg,0-2,Male,Indian,True\nval/2.jpg,Oct-19,Female,Black,True\n"
PICTURES = {
    f"faces/{name}.jpg": encode(i) for i, name in enumerate(["train/1", "train/2", "train/3", "val/1", "val/2"])
}


@pytest.mark.parametrize("month_text", ["03-Sep", "3-Sep", "Sep-03", "Sep 3", "9-Mar", "Mar-09", "3-9"])
def test_spreadsheet_dates_become_age_groups_again(month_text: str) -> None:
    assert repair_age_group(month_text) == "3-9"


def test_other_text_is_left_alone() -> None:
    unchanged = (*AGE_GROUPS, "", "Sep", "5-Sep", "03-Sep-19", "old")
    assert tuple(map(repair_age_group, unchanged)) == unchanged


@pytest.mark.parametrize("place", ["inside", "beside", "given"])
def test_both_label_files_are_read_wherever_they_lie(tmp_path: Path, place: str) -> None:
    files, labels = dict(PICTURES), ""
    tables = {"fairface_label_train.csv": TRAIN, "fairface_label_val.csv": VALIDATION}
    if place == "inside":
        files |= {name: text.encode() for name, text in tables.items()}
    elif place == "beside":
        for name, text in tables.items():
            (tmp_path / name).write_text(text)
    else:
        labels = str(tmp_path / "all.csv")
        Path(labels).write_text(TRAIN + VALIDATION.removeprefix(HEADER))
    config = DataConfig("fairface", str(write_zip(tmp_path / "fairface.zip", files)), labels)
    collection = open_collection(config, ATTRIBUTES, seed=0)
    assert collection.names.tolist() == ["train/1.jpg", "train/2.jpg", "train/3.jpg", "val/1.jpg", "val/2.jpg"]
    assert collection.split.tolist() == ["train"] * 3 + ["validation"] * 2
    assert [AGE_GROUPS[age] for age in collection.labels["age"]] == ["3-9", "70+", "10-19", "0-2", "10-19"]
    assert collection.labels["gender"].tolist() == [0, 1, 1, 0, 1]
    assert [RACES[race] for race in collection.labels["ethnicity"]][:2] == ["East Asian", "White"]
    assert [collection.read(i) for i in range(5)] == list(PICTURES.values())


def test_what_cannot_work_is_refused(tmp_path: Path) -> None:
    config = DataConfig("fairface", str(write_zip(tmp_path / "fairface.zip", PICTURES)))
    with pytest.raises(ValueError, match=r"fairface_label_train\.csv.* lies in .*fairface\.zip or beside it"):
        open_collection(config, ATTRIBUTES, seed=0)
    with pytest.raises(ValueError, match="age is declared as continuous, but FairFace has age groups"):
        open_collection(config, AttributeSet((AGE,)), seed=0)
