import sys
from pathlib import Path

import pytest

from conceal_jax.attributes import AttributeSet, Categorical
from conceal_jax.config import DataConfig
from conceal_jax.data.sources.open import open_collection
from tests.data.conftest import encode, write_zip

ATTRIBUTES = AttributeSet(
    (Categorical("gender", ("female", "male"), column="Male", threshold=0),),
    (Categorical("smile", ("no", "yes"), column="Smiling", threshold=0),),
)
NAMES = [f"{number:06d}.jpg" for number in range(1, 7)]
MALE, SMILING = [1, -1, 1, -1, 1, -1], [1, 1, -1, -1, 1, 1]
PARTITION = [0, 0, 0, 1, 1, 2]
PICTURES = {f"img_align_celeba/{name}": encode(i) for i, name in enumerate(NAMES)}
ROWS = list(zip(NAMES, MALE, SMILING, strict=True))
TEXTS = {
    "list_attr_celeba.txt": "6\nMale Smiling\n" + "".join(f"{n}  {m:2d} {s:2d}\n" for n, m, s in ROWS),
    "list_eval_partition.txt": "".join(f"{n} {p}\n" for n, p in zip(NAMES, PARTITION, strict=True)),
    "identity_CelebA.txt": "".join(f"{n} {i}\n" for n, i in zip(NAMES, [7, 7, 8, 9, 10, 11], strict=True)),
}
TABLES = {
    "list_attr_celeba.csv": "image_id,Male,Smiling\n" + "".join(f"{n},{m},{s}\n" for n, m, s in ROWS),
    "list_eval_partition.csv": "image_id,partition\n"
    + "".join(f"{n},{p}\n" for n, p in zip(NAMES, PARTITION, strict=True)),
}


@pytest.mark.parametrize("form", ["folder", "folder with zip", "zip with csv", "zip beside txt"])
def test_every_form_of_a_copy_placed_by_hand(tmp_path: Path, form: str) -> None:
    path = tmp_path
    if form == "folder":
        (tmp_path / "img_align_celeba").mkdir()
        for name, content in PICTURES.items():
            (tmp_path / name).write_bytes(content)
    elif form == "zip with csv":
        path = write_zip(tmp_path / "archive.zip", PICTURES | {name: text.encode() for name, text in TABLES.items()})
    else:
        zipped = write_zip(tmp_path / "img_align_celeba.zip", PICTURES)
        path = zipped if form == "zip beside txt" else tmp_path
    if form != "zip with csv":
        for name, text in TEXTS.items():
            (tmp_path / name).write_text(text)
    collection = open_collection(DataConfig("celeb_a", str(path)), ATTRIBUTES, seed=0)
    assert collection.names.tolist() == NAMES
    assert collection.labels["gender"].tolist() == [int(m > 0) for m in MALE]
    assert collection.labels["smile"].tolist() == [int(s > 0) for s in SMILING]
    assert collection.split.tolist() == ["train"] * 3 + ["validation"] * 2 + ["test"]
    assert [collection.read(i) for i in range(6)] == list(PICTURES.values())
    if form != "zip with csv":
        assert collection.group[0] == collection.group[1]
        assert len(set(collection.group)) == 5


def test_a_missing_listing_says_how_to_place_a_copy(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "img_align_celeba.zip", PICTURES)
    with pytest.raises(ValueError, match=r"lacks list_attr_celeba\.txt .*download img_align_celeba\.zip.*data\.path"):
        open_collection(DataConfig("celeb_a", str(path)), ATTRIBUTES, seed=0)


def test_a_failed_download_says_how_to_place_a_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    tfds = pytest.importorskip("tensorflow_datasets")

    class OverQuota:
        def download_and_prepare(self, **options: object) -> None:
            raise OSError("Quota exceeded")

    monkeypatch.setattr(tfds, "builder", lambda name, data_dir: OverQuota())
    assert "tensorflow_datasets" in sys.modules
    with pytest.raises(ValueError, match=r"Quota exceeded\. Instead: download img_align_celeba\.zip"):
        open_collection(DataConfig("celeb_a"), ATTRIBUTES, seed=0)
