import json
import subprocess
import sys
from pathlib import Path

import pytest

from conceal_jax.release.jobs import job
from conceal_jax.release.jobs.job import Entry, checksum, name_entries, open_job, write_atomically

KEY = b"a secret of sixteen bytes"
SOURCES = [f"album/{age}_1_0_2017.jpg" for age in range(10)]
SETTINGS = {"kind": "codes", "model": "abc"}


def begin(tmp_path, **changes):
    return open_job(tmp_path / "out", SOURCES, SETTINGS, **{"shard_size": 4, "key": KEY, **changes})


def test_names_and_order_tell_nothing_of_the_source():
    entries = name_entries(SOURCES, KEY, keep_names=False)
    assert sorted(entry.source for entry in entries) == SOURCES
    assert [entry.source for entry in entries] != SOURCES
    assert [entry.name for entry in entries] == sorted(entry.name for entry in entries)
    assert all(len(entry.name) == 32 and int(entry.name, 16) for entry in entries)
    assert name_entries(SOURCES[::-1], KEY, keep_names=False) == entries
    other = {entry.name for entry in name_entries(SOURCES, KEY[::-1], keep_names=False)}
    assert not other & {entry.name for entry in entries}


def test_kept_names_are_the_sources_and_stay_inside():
    entries = name_entries(SOURCES, KEY, keep_names=True)
    assert set(entries) == {Entry(source, source) for source in SOURCES}
    for bad in ("../outside.jpg", "/etc/passwd.jpg", "a/../../b.jpg", "C:\\b.jpg", "c:/b.jpg"):
        with pytest.raises(ValueError, match="outside of the output folder"):
            name_entries([bad], KEY, keep_names=True)


def test_without_a_key_names_are_random_but_stay_for_the_job(tmp_path):
    job = begin(tmp_path, key=None)
    assert begin(tmp_path, key=None) == job
    assert begin(tmp_path / "other", key=None).shards != job.shards


def test_parts_share_the_shards(tmp_path):
    job = begin(tmp_path)
    assert [len(shard) for shard in job.shards] == [4, 4, 2]
    assert job.remaining() == [0, 1, 2]
    assert [job.remaining(1, 2), job.remaining(2, 2), job.remaining(4, 4)] == [[0, 2], [1], []]
    job.complete_shard(2, {})
    assert begin(tmp_path).remaining() == [0, 1]


def test_the_manifest_accounts_for_everything(tmp_path):
    job = begin(tmp_path)
    bad = job.shards[1][0]
    write_atomically(job.out / "codes-1", b"codes")
    job.complete_shard(1, {bad.name: "the file is empty"})
    manifest = job.write_manifest({shard: f"codes-{shard}" for shard in range(3)})
    assert manifest == json.loads((job.out / "manifest.json").read_text())
    assert (manifest["complete"], manifest["found"], manifest["count"]) == (False, 10, 3)
    assert manifest["skipped"] == {bad.name: "the file is empty"}
    assert manifest["shards"] == [{"file": "codes-1", "sha256": checksum(job.out / "codes-1")}]
    assert job.skipped() == [(bad.source, "the file is empty")]
    for shard in (0, 2):
        job.complete_shard(shard, {})
    (job.out / ".codes-2.77.partial").write_bytes(b"of a process that was killed")
    manifest = job.write_manifest({})
    assert (manifest["complete"], manifest["count"]) == (True, 9)
    assert sorted(path.name for path in job.out.iterdir()) == ["codes-1", "manifest.json"]


def test_what_is_released_names_no_source(tmp_path):
    job = begin(tmp_path)
    for shard in range(3):
        job.complete_shard(shard, {job.shards[shard][0].name: "the file is empty"})
    job.write_manifest({})
    assert b"_2017" not in b"".join(path.read_bytes() for path in job.out.rglob("*") if path.is_file())
    assert b"_2017" in (job.private / "mapping.csv").read_bytes()
    assert job.private.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shard_size": 5}, "another shard_size"),
        ({"key": KEY[::-1]}, "another key"),
        ({"key": None}, "another key"),
        ({"keep_names": True}, "another names"),
    ],
)
def test_another_job_in_the_same_place_is_refused(tmp_path, change, message):
    begin(tmp_path)
    with pytest.raises(ValueError, match=message):
        begin(tmp_path, **change)


def test_a_changed_collection_is_refused(tmp_path):
    begin(tmp_path)
    with pytest.raises(ValueError, match="1 files were added to or taken from"):
        open_job(tmp_path / "out", SOURCES[1:], SETTINGS, shard_size=4, key=KEY)
    with pytest.raises(ValueError, match="another model"):
        open_job(tmp_path / "out", SOURCES, {**SETTINGS, "model": "x"}, shard_size=4, key=KEY)


def test_a_folder_with_other_things_is_left_alone(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "letter.txt").write_text("mine")
    with pytest.raises(ValueError, match="not empty"):
        begin(tmp_path)


def test_a_file_that_another_process_cleared_away_is_written_again(tmp_path, monkeypatch):
    replace, cleared = Path.replace, []

    def clear_once(self, target):
        if not cleared:
            cleared.append(self)
            self.unlink()
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", clear_once)
    write_atomically(tmp_path / "deep" / "file", b"content")
    assert (tmp_path / "deep" / "file").read_bytes() == b"content"
    assert cleared


RACE = """
import sys, pathlib
from conceal_jax.release.jobs.job import open_job
job = open_job(pathlib.Path(sys.argv[1]), [f"{i}.jpg" for i in range(500)], {}, shard_size=10)
print(job.shards[0][0].name)
"""


def test_processes_that_begin_together_agree(tmp_path):
    command = [sys.executable, "-c", RACE, str(tmp_path / "out")]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    names = {process.communicate(timeout=60)[0] for process in processes}
    assert len(names) == 1
    assert names != {""}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "out.private"]


def test_a_manifest_never_forgets_what_another_process_has_done(tmp_path, monkeypatch):
    ours, theirs = begin(tmp_path), begin(tmp_path)
    for shard in range(3):
        write_atomically(ours.out / f"{shard}.npz", b"codes")
    results = {shard: f"{shard}.npz" for shard in range(3)}
    ours.complete_shard(0, {})
    sums, others = job.checksum, iter((1, 2))

    def slowly(path):
        for shard in others:
            # While this process makes checksums, the other one comes to the end.
            theirs.complete_shard(shard, {})
        monkeypatch.setattr(job, "checksum", sums)
        theirs.write_manifest(results)
        return sums(path)

    monkeypatch.setattr(job, "checksum", slowly)
    assert ours.write_manifest(results)["complete"]
    manifest = json.loads((ours.out / "manifest.json").read_text())
    assert manifest["complete"]
    assert len(manifest["shards"]) == 3
