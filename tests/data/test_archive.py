import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from conceal_jax.data import archive as archive_module
from conceal_jax.data.archive import UnreadableFileError, open_archive, short_names
from tests.data.conftest import write_zip

FILES = {f"top/{part}/{number}.jpg": bytes([number]) * 1000 for part in "ab" for number in range(40)}


@pytest.fixture(params=["folder", "stored", "deflated"])
def packed(request: pytest.FixtureRequest, tmp_path: Path) -> archive_module.Archive:
    if request.param == "folder":
        for name, content in FILES.items():
            (tmp_path / "files" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "files" / name).write_bytes(content)
        return open_archive(str(tmp_path / "files"))
    method = zipfile.ZIP_STORED if request.param == "stored" else zipfile.ZIP_DEFLATED
    return open_archive(str(write_zip(tmp_path / "files.zip", FILES, method)))


def test_every_file_reads_back_from_many_threads(packed: archive_module.Archive) -> None:
    assert packed.paths == tuple(sorted(FILES))
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(packed.read, packed.paths * 5)) == [FILES[name] for name in packed.paths * 5]


FORKED = """
import os, sys
from conceal_jax.data.archive import open_archive
assert "jax" not in sys.modules, "forking beside JAX's threads could hang"
archive = open_archive(sys.argv[1])
contents = [archive.read(path) for path in archive.paths]
child = os.fork()
for _ in range(50):
    assert [archive.read(path) for path in archive.paths] == contents
if child:
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_forked_processes_read_the_right_files(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "files.zip", FILES)
    subprocess.run([sys.executable, "-c", FORKED, str(path)], check=True)


def test_equal_files_have_equal_fingerprints_and_others_do_not(packed: archive_module.Archive) -> None:
    assert packed.fingerprint("top/a/3.jpg") == packed.fingerprint("top/b/3.jpg")
    assert packed.fingerprint("top/a/3.jpg") != packed.fingerprint("top/a/4.jpg")


def test_a_file_is_found_by_the_end_of_its_path_unless_that_is_ambiguous(
    packed: archive_module.Archive,
) -> None:
    find = packed.find()
    assert find("b/3.jpg") == find("./b/3.jpg") == find("top/b/3.jpg") == "top/b/3.jpg"
    with pytest.raises(UnreadableFileError, match=r"several files.*top/a/3\.jpg, top/b/3\.jpg"):
        find("3.jpg")
    with pytest.raises(UnreadableFileError, match="no such file"):
        find("c/3.jpg")


def test_a_flipped_bit_in_a_zip_is_noticed(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "files.zip", {"x.jpg": b"A" * 500})
    content = bytearray(path.read_bytes())
    content[content.index(b"AAAA") + 100] ^= 1
    path.write_bytes(content)
    with pytest.raises(UnreadableFileError, match="damaged in the zip"):
        open_archive(str(path)).read("x.jpg")


def test_a_zip_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive_module, "MAX_FILE_BYTES", 2**20)
    path = write_zip(tmp_path / "files.zip", {"x.jpg": bytes(2**20 + 1)}, zipfile.ZIP_DEFLATED)
    with pytest.raises(UnreadableFileError, match="1048577 bytes; a picture may have up to 1 MiB"):
        open_archive(str(path)).read("x.jpg")


def test_hidden_files_are_left_out(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "files.zip", {"__MACOSX/._a.jpg": b"", ".DS_Store": b"", "a.jpg": b"x"})
    assert open_archive(str(path)).paths == ("a.jpg",)


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.zip").write_text("not a zip")
    with pytest.raises(ValueError, match=r"text\.zip.*neither a folder nor a readable zip"):
        open_archive(str(tmp_path / "text.zip"))
    with pytest.raises(ValueError, match=r"absent'.*no such folder or zip"):
        open_archive(str(tmp_path / "absent"))


def test_names_are_shortened_by_the_folder_they_share() -> None:
    assert short_names(["u/a.jpg", "u/b.jpg"]) == ["a.jpg", "b.jpg"]
    assert short_names(["u/p1/a.jpg", "u/p2/a.jpg"]) == ["p1/a.jpg", "p2/a.jpg"]
    assert short_names(["a.jpg", "u/a.jpg"]) == ["a.jpg", "u/a.jpg"]


def test_what_is_no_regular_file_is_unreadable_and_waits_for_nobody(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "broken.jpg").symlink_to("absent.jpg")
    archive = open_archive(str(tmp_path))
    with pytest.raises(UnreadableFileError, match="not a file"):
        archive.read("pipe.jpg")
    with pytest.raises(UnreadableFileError, match="No such file"):
        archive.read("broken.jpg")


def test_a_folder_that_cannot_be_listed_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / ".Trashes").mkdir()
    scandir = os.scandir

    def refusing(path: str) -> Iterator[os.DirEntry[str]]:
        if os.path.basename(path) in ("locked", ".Trashes"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    # Whoever may read everything, as in a container, would be let in.
    monkeypatch.setattr(os, "scandir", refusing)
    # What is hidden is nobody's business.
    assert open_archive(str(tmp_path)).paths == ()
    (tmp_path / "locked").mkdir()
    with pytest.raises(ValueError, match=r"locked. cannot be listed .Permission denied"):
        open_archive(str(tmp_path))
