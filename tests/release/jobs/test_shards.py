import json

import numpy as np
import pytest

from conceal_jax.release.jobs.job import checksum, open_job, write_atomically
from conceal_jax.release.jobs.shards import FORMATS, read_codes, read_shard, require_format, shard_bytes

CODES = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
NAMES = [f"name {row} é" for row in range(5)]


@pytest.fixture(params=FORMATS)
def kind(request):
    if request.param == "parquet":
        pytest.importorskip("pyarrow")
    return request.param


@pytest.mark.parametrize("count", [5, 0])
def test_a_shard_is_read_as_it_was_written(tmp_path, kind, count):
    path = tmp_path / f"shard.{kind}"
    path.write_bytes(shard_bytes(NAMES[:count], CODES[:count], kind))
    names, codes = read_shard(path)
    assert names == NAMES[:count]
    assert codes.dtype == np.float32
    np.testing.assert_array_equal(codes, CODES[:count])


def test_equal_codes_give_equal_bytes(kind):
    require_format(kind)
    assert shard_bytes(NAMES, CODES, kind) == shard_bytes(list(NAMES), CODES.copy(), kind)


def write_folder(tmp_path, kind):
    job = open_job(tmp_path / "out", list("abcde"), {"kind": "codes"}, shard_size=3)
    for shard, rows in enumerate((slice(0, 3), slice(3, 5))):
        names = [entry.name for entry in job.shards[shard]]
        write_atomically(job.out / f"{shard}.{kind}", shard_bytes(names, CODES[rows], kind))
        job.complete_shard(shard, {})
    job.write_manifest({shard: f"{shard}.{kind}" for shard in range(2)})
    return job.out


def test_a_folder_is_read_shard_by_shard(tmp_path, kind):
    folder = write_folder(tmp_path, kind)
    np.testing.assert_array_equal(np.concatenate([codes for _, codes in read_codes(folder)]), CODES)


def test_a_changed_shard_is_refused(tmp_path):
    folder = write_folder(tmp_path, "npz")
    content = bytearray((folder / "1.npz").read_bytes())
    content[100] ^= 1
    (folder / "1.npz").write_bytes(content)
    assert checksum(folder / "1.npz")
    with pytest.raises(ValueError, match=r"1\.npz is missing or was changed"):
        list(read_codes(folder))
    with pytest.raises(ValueError, match=r"no manifest\.json"):
        list(read_codes(tmp_path))


def test_names_that_lead_out_of_a_folder_are_refused(tmp_path):
    for number, bad in enumerate(("../../outside", "/outside", "a\\..\\b")):
        job = open_job(tmp_path / f"out{number}", ["a"], {"kind": "codes"}, shard_size=1)
        write_atomically(job.out / "0.npz", shard_bytes([bad], CODES[:1], "npz"))
        job.complete_shard(0, {})
        job.write_manifest({0: "0.npz"})
        with pytest.raises(ValueError, match="outside of its folder; do not trust"):
            next(read_codes(job.out))


def test_a_shard_outside_of_its_folder_is_refused(tmp_path):
    folder = write_folder(tmp_path, "npz")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["shards"][0]["file"] = "../elsewhere.npz"
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ValueError, match=r"'\.\./elsewhere\.npz' in .* outside of its folder"):
        next(read_codes(folder))
