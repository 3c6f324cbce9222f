"""Anybody's `.npz`: what is read from it, and what is refused with which message."""

from pathlib import Path

import numpy as np
import pytest

from conceal_jax.attributes import Categorical, Continuous
from conceal_jax.audit.release_file import parse_release, read_arrays

COUNT = 60


def read_release(path: Path, kept=()):
    return parse_release(read_arrays(path), str(path), kept)


def write(path: Path, **changes) -> Path:
    generator = np.random.default_rng(0)
    arrays = {
        "codes": generator.normal(size=(COUNT, 4)).astype(np.float32),
        "gender": np.array(["male", "female", ""])[np.arange(COUNT) % 3],
        "age": generator.integers(0, 100, COUNT),
        "smile": generator.integers(0, 2, COUNT),
        "score": generator.uniform(0, 1, COUNT),
        **changes,
    }
    np.savez(path / "release.npz", **{name: array for name, array in arrays.items() if array is not None})
    return path / "release.npz"


def test_labels_are_classes_or_values_by_what_they_hold(tmp_path):
    release, attributes, is_test = read_release(write(tmp_path), kept=["smile", "score"])
    gender, age = attributes.concealed
    assert gender == Categorical("gender", ("female", "male"))
    assert isinstance(age, Continuous)
    assert age.group_names[:2] == ("0-2", "3-9")
    assert attributes.kept[0] == Categorical("smile", ("0", "1"))
    assert isinstance(attributes.kept[1], Continuous)
    assert release.labels["gender"][:3].tolist() == [1, 0, -1]
    assert is_test is None
    assert release.people is None
    assert release.posterior is None


def test_missing_numbers_stay_missing(tmp_path):
    age = np.where(np.arange(COUNT) % 4 == 0, -1, np.arange(COUNT) + 20)
    smile = np.where(np.arange(COUNT) % 5 == 0, -1, np.arange(COUNT) % 2)
    release, _, _ = read_release(write(tmp_path, age=age, smile=smile))
    assert np.isnan(release.labels["age"]).sum() == COUNT // 4
    assert (release.labels["smile"] == -1).sum() == COUNT // 5


def test_persons_split_posterior_and_pictures_are_read(tmp_path):
    split = np.repeat(["train", "validation"], COUNT // 2)
    pictures = np.zeros((COUNT, 32, 32, 3), np.uint8)
    moments = np.ones((COUNT, 4))
    path = write(
        tmp_path,
        split=split,
        pictures=pictures,
        posterior_mean=moments,
        posterior_std=moments,
        person=np.array(["x", "y"])[np.arange(COUNT) % 2],
    )
    release, attributes, is_test = read_release(path)
    assert {spec.name for spec in attributes.all} == {"gender", "age", "smile", "score"}
    assert release.pictures is not None
    assert release.posterior is not None
    assert release.people.tolist()[:2] == [0, 1]
    assert is_test.tolist() == (split != "train").tolist()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"codes": None}, "got neither codes nor pictures"),
        ({"codes": np.full((COUNT, 4), np.nan)}, f"{COUNT} of {COUNT} codes hold NaN or infinity"),
        ({"codes": np.zeros((COUNT - 1, 4))}, "got different numbers of people"),
        ({"codes": np.zeros(COUNT)}, r"got codes float64 \[60\]"),
        ({"pictures": np.zeros((COUNT, 30, 30, 3), np.uint8)}, "give uint8"),
        ({"split": np.full(COUNT, "dev")}, "split holds .*'dev'.*allowed are train"),
        ({"posterior_mean": np.zeros((COUNT, 4))}, "give the mean and the standard deviation of every code"),
        ({"gender": np.array([{}] * COUNT, object)}, "without objects"),
        ({"gender": np.zeros((COUNT, 2))}, "give one label for each person"),
        ({"gender": np.zeros(COUNT, complex)}, "gender holds complex128; give texts or numbers"),
    ],
)
def test_what_cannot_be_audited_is_refused(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        read_release(write(tmp_path, **changes))


def test_unknown_kept_attributes_and_nothing_to_hide_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"kept attributes \['hair'\] are not in"):
        read_release(write(tmp_path), kept=["hair"])
    with pytest.raises(ValueError, match="no concealed attribute"):
        read_release(write(tmp_path), kept=["gender", "age", "smile", "score"])


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 broken", b"\x93NUMPY\x01\x00v\x00{'descr'"])
def test_other_files_are_refused(tmp_path, content):
    (tmp_path / "release.npz").write_bytes(content)
    with pytest.raises(ValueError, match=r"cannot be read.*numpy\.savez"):
        read_release(tmp_path / "release.npz")
    with pytest.raises(ValueError, match="cannot be read"):
        read_release(tmp_path / "nowhere.npz")


@pytest.mark.parametrize("count", [10, 2 * COUNT])
def test_a_split_of_other_people_is_refused(tmp_path, count):
    with pytest.raises(ValueError, match=f"split has the shape .{count},. for {COUNT} people"):
        read_release(write(tmp_path, split=np.array(["train", "test"])[np.arange(count) % 2]))


def test_large_whole_numbers_are_different_classes(tmp_path):
    _, attributes, _ = read_release(write(tmp_path, age=1_000_001 + np.arange(COUNT) % 3))
    assert attributes.concealed[1].classes == ("1000001", "1000002", "1000003")


def test_whom_nobody_knows_is_a_person_of_their_own(tmp_path):
    release, _, _ = read_release(write(tmp_path, person=np.where(np.arange(COUNT) < 6, "", "one person")))
    assert len(np.unique(release.people[:6])) == 6
    assert len(np.unique(release.people)) == 7
