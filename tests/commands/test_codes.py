import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest

from conceal_jax.commands.exit_codes import ExitCode
from conceal_jax.release.jobs import collection
from conceal_jax.release.jobs.shards import read_codes
from conceal_jax.release.photos import read_photo
from tests.commands.conftest import contents
from tests.release.photographs import write_album, write_rubbish


class Killed(BaseException):
    """Like a kill, no handler of the program's sees it."""


def die_before_write(monkeypatch, number):
    """The process ends at the `number`-th file that is about to get its final name."""
    replace, written = Path.replace, []

    def counting(self, target):
        written.append(target)
        if len(written) == number:
            raise Killed
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", counting)
    # Another process, so that what it leaves half written is not overwritten by the next.
    monkeypatch.setattr(os, "getpid", lambda: 10**6)


def test_codes_are_those_of_the_concealer(conceal, album, key_file, tmp_path, loaded):
    assert conceal("codes", album, tmp_path / "codes", f"--key-file={key_file}", "--shard-size=4") == ExitCode.DONE
    found = {}
    for names, codes in read_codes(tmp_path / "codes"):
        found.update(zip(names, codes, strict=True))
    mapping = (tmp_path / "codes.private" / "mapping.csv").read_text().splitlines()[1:]
    for row in mapping:
        name, source = row.split(",")
        photo = read_photo((album / source).read_bytes(), 32, "center")
        np.testing.assert_array_equal(loaded.encode(photo[None], key_file.read_bytes().strip())[0], found[name])
    manifest = json.loads((tmp_path / "codes" / "manifest.json").read_text())
    assert len(found) == manifest["count"] == 10
    assert manifest["model"] == loaded.model_hash
    assert manifest["config"]["model"]["latent_dim"] == loaded.latent_dim
    assert "path" not in manifest["config"]["data"]


@pytest.mark.parametrize("command", ["codes", "photos"])
def test_a_killed_job_ends_as_an_uninterrupted_one(conceal, key_file, tmp_path, monkeypatch, command):
    album = write_album(write_rubbish(tmp_path / "album"), 12)

    def run(out):
        return conceal(command, album, tmp_path / out, f"--key-file={key_file}", "--shard-size=6", "--workers=1")

    assert run("whole") == ExitCode.SKIPPED
    whole = contents(tmp_path / "whole"), contents(tmp_path / "whole.private")
    kills = 0
    for number in range(1, 40, 4 if command == "photos" else 1):
        out = f"killed-{number}"
        with monkeypatch.context() as patch:
            die_before_write(patch, number)
            try:
                run(out)
            except Killed:
                kills += 1
            else:
                break
        assert run(out) == ExitCode.SKIPPED
        assert (contents(tmp_path / out), contents(tmp_path / f"{out}.private")) == whole
        assert not list(tmp_path.glob(".*"))
    assert kills >= 5


def test_finished_shards_are_not_done_again(conceal, album, tmp_path, monkeypatch):
    out = tmp_path / "codes"
    with monkeypatch.context() as patch:
        die_before_write(patch, 7)  # of the private folder 1, of each shard 2: the third shard's codes, or its record
        with pytest.raises(Killed):
            conceal("codes", album, out, "--shard-size=2", "--workers=1")
    before = {path.name: path.read_bytes() for path in out.glob("codes-*")}
    assert len(before) in (2, 3)
    assert conceal("codes", album, out, "--shard-size=2") == ExitCode.DONE
    after = contents(out)
    # Without a secret the noise is new, so what was done again differs.
    assert sum(after[name] != content for name, content in before.items()) <= 1
    assert len([name for name in after if name.startswith("codes-")]) == 5


def test_a_finished_job_is_left_as_it_is(conceal, album, tmp_path):
    for _ in range(2):
        assert conceal("codes", album, tmp_path / "codes", "--shard-size=4") == ExitCode.DONE
        codes = contents(tmp_path / "codes")
    assert conceal("codes", album, tmp_path / "codes", "--shard-size=4") == ExitCode.DONE
    assert contents(tmp_path / "codes") == codes


def test_parts_make_the_whole(conceal, album, key_file, tmp_path, capsys):
    common = (f"--key-file={key_file}", "--shard-size=3")
    assert conceal("codes", album, tmp_path / "whole", *common) == ExitCode.DONE
    assert conceal("codes", album, tmp_path / "parts", *common, "--part=2/2") == ExitCode.DONE
    assert "not complete: 4 of 10 done" in capsys.readouterr().out
    assert conceal("codes", album, tmp_path / "parts", *common, "--part=1/2") == ExitCode.DONE
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")


def test_a_request_to_stop_leaves_whole_shards(conceal, album, tmp_path, monkeypatch, capsys):
    complete, asked = collection.Job.complete_shard, []

    def stop_after_one(job, shard, skipped):
        complete(job, shard, skipped)
        if not asked:
            asked.append(os.kill(os.getpid(), signal.SIGINT))

    with monkeypatch.context() as patch:
        patch.setattr(collection.Job, "complete_shard", stop_after_one)
        assert conceal("codes", album, tmp_path / "codes", "--shard-size=1") == ExitCode.INTERRUPTED
    done = sum(len(names) for names, _ in read_codes(tmp_path / "codes"))
    assert 1 <= done < 10
    assert f"not complete: {done} of 10 done" in capsys.readouterr().out
    assert conceal("codes", album, tmp_path / "codes", "--shard-size=1") == ExitCode.DONE
    assert sum(len(names) for names, _ in read_codes(tmp_path / "codes")) == 10


def test_parquet_holds_the_same(conceal, album, key_file, tmp_path):
    pytest.importorskip("pyarrow")
    found = []
    for kind in ("npz", "parquet"):
        assert conceal("codes", album, tmp_path / kind, f"--key-file={key_file}", f"--format={kind}") == ExitCode.DONE
        found.append(list(read_codes(tmp_path / kind)))
    for (names, codes), (others, other_codes) in zip(*found, strict=True):
        assert names == others
        np.testing.assert_array_equal(codes, other_codes)


@pytest.mark.parametrize("part", ["3/2", "0/2", "1", "a/b"])
def test_a_part_that_is_none_is_refused(conceal, album, tmp_path, part, capsys):
    with pytest.raises(SystemExit) as exit_info:
        conceal("codes", album, tmp_path / "codes", f"--part={part}")
    assert exit_info.value.code == 2
    assert "write I/N" in capsys.readouterr().err
