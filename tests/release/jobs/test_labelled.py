import json

import numpy as np
import pytest

from conceal_jax.audit.release_file import parse_release
from conceal_jax.release.jobs.job import open_job
from conceal_jax.release.jobs.labelled import labelled_codes
from conceal_jax.release.jobs.shards import shard_bytes

SOURCES = ("old/1.jpg", "old/2.jpg", "new/3.jpg", "new/4.jpg", "new/5.jpg")


@pytest.fixture
def codes(tmp_path):
    """The code of photo i holds the number i."""
    job = open_job(tmp_path / "codes", SOURCES, {"kind": "codes"}, shard_size=3)
    for shard, entries in enumerate(job.shards):
        numbers = np.array([[int(entry.source[-5])] * 4 for entry in entries], np.float32)
        (job.out / f"{shard}.npz").write_bytes(shard_bytes([entry.name for entry in entries], numbers, "npz"))
        job.complete_shard(shard, {})
    job.write_manifest({shard: f"{shard}.npz" for shard in range(len(job.shards))})
    return job.out


def write(tmp_path, text):
    (tmp_path / "labels.csv").write_text(text)
    return tmp_path / "labels.csv"


def test_every_code_gets_the_labels_of_its_photo(codes, tmp_path):
    rows = "5.jpg,f,,e\n4.jpg,m,40,d\nold/1.jpg,f,10,a\n2.jpg,,20,b\n3.jpg,m,30,c\n9.jpg,m,90,z\n"
    arrays = labelled_codes(codes, write(tmp_path, "file,gender,age,person\n" + rows))
    number = arrays["codes"][:, 0].astype(int)
    assert sorted(number) == [1, 2, 3, 4, 5]
    order = np.argsort(number)
    assert arrays["gender"][order].tolist() == ["f", "", "m", "m", "f"]
    assert arrays["age"][order].tolist() == [10, 20, 30, 40, -1]  # four classes, and one missing
    assert arrays["person"][order].tolist() == list("abcde")
    release, attributes, _ = parse_release(arrays, "labels.csv")
    assert [spec.name for spec in attributes.concealed] == ["gender", "age"]
    assert release.persons_known


def test_codes_without_a_row_are_left_out_and_counted(codes, tmp_path, caplog):
    arrays = labelled_codes(codes, write(tmp_path, "file,gender\n1.jpg,f\n3.jpg,m\n4.jpg\n"))
    assert sorted(zip(arrays["codes"][:, 0].tolist(), arrays["gender"].tolist(), strict=True)) == [(1, "f"), (3, "m")]
    assert "3 of 5 codes have no row" in caplog.text
    assert "labels.csv line 4 has 1 cells" in caplog.text


def test_without_the_private_folder_rows_name_the_codes(codes, tmp_path):
    (tmp_path / "codes.private").rename(tmp_path / "elsewhere")
    names = [line.split(",")[0] for line in (tmp_path / "elsewhere" / "mapping.csv").read_text().splitlines()[1:]]
    rows = "".join(f"{name},{index}\n" for index, name in enumerate(names))
    assert len(labelled_codes(codes, write(tmp_path, "file,number\n" + rows))["codes"]) == 5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,gender\n8.jpg,f\n", "no row of .*labels.csv names a photo"),
        ("file,gender\n1.jpg,f\n1.jpg,m\n", "names '1.jpg' in several rows"),
        ("file,codes\n1.jpg,f\n", "columns called codes"),
        ("gender\nf\n", "no column of file names"),
    ],
)
def test_what_is_not_clear_is_refused(codes, tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        labelled_codes(codes, write(tmp_path, text))


def test_a_name_that_several_photos_have_is_refused(tmp_path):
    job = open_job(tmp_path / "codes", ("a/1.jpg", "b/1.jpg"), {"kind": "codes"}, shard_size=2)
    names = [entry.name for entry in job.shards[0]]
    (job.out / "0.npz").write_bytes(shard_bytes(names, np.zeros((2, 3), np.float32), "npz"))
    job.complete_shard(0, {})
    job.write_manifest({0: "0.npz"})
    with pytest.raises(ValueError, match=r"'1.jpg' in labels.csv may be any of several photos"):
        labelled_codes(job.out, write(tmp_path, "file,gender\n1.jpg,f\n"))


def test_whole_numbers_are_classes_whose_missing_label_is_minus_one(codes, tmp_path):
    rows = "1.jpg,0,p\n2.jpg,1,\n3.jpg,-1, p\n4.jpg,,\n5.jpg,1,q\n"
    arrays = labelled_codes(codes, write(tmp_path, "file,mask,person\n" + rows))
    release, attributes, _ = parse_release(arrays, "labels.csv")
    assert attributes.concealed[0].classes == ("0", "1")
    order = np.argsort(arrays["codes"][:, 0])
    assert release.labels["mask"][order].tolist() == [0, 1, -1, -1, 1]
    # Two photos of p; nobody knows whose the second and the fourth are.
    people = release.people[order].tolist()
    assert people[0] == people[2]
    assert len(set(people)) == 4


@pytest.mark.parametrize(
    ("cells", "classes"), [("1,-1,1,-1,", ("-1", "1")), ("1.0,0.0,-1.0,,1.0", ("0", "1")), ("-2,-1,0,1,2.5", None)]
)
def test_what_minus_one_means_depends_on_the_others(codes, tmp_path, cells, classes):
    rows = "".join(f"{number}.jpg,{cell}\n" for number, cell in enumerate(cells.split(","), start=1))
    arrays = labelled_codes(codes, write(tmp_path, "file,x\n" + rows))
    release, attributes, _ = parse_release(arrays, "labels.csv")
    assert getattr(attributes.concealed[0], "classes", None) == classes
    if classes is None:
        assert sorted(release.labels["x"]) == [-2, -1, 0, 1, 2.5]


def test_codes_that_are_not_complete_are_told_of(codes, tmp_path, caplog):
    manifest = json.loads((codes / "manifest.json").read_text())
    (codes / "manifest.json").write_text(json.dumps(manifest | {"complete": False}))
    labelled_codes(codes, write(tmp_path, "file,gender\n1.jpg,f\n2.jpg,m\n"))
    assert "is not complete" in caplog.text
