"""Whatever a file holds, it is read, or refused by a message; nothing hangs, and nothing fills the memory."""

import contextlib
import io
import os
import struct
import zipfile
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.fuzz import changed
from benchmarks.fuzz_readers import readers
from conceal_jax.attributes import AttributeSet
from conceal_jax.audit.release_file import read_arrays
from conceal_jax.data.archive import UnreadableFileError, open_archive
from conceal_jax.data.labels.table import MAX_COLUMNS, parse_csv, parse_jsonl
from conceal_jax.data.pictures import BadPictureError, decode_picture
from conceal_jax.data.sources.celeb_a import read_celeb_a
from conceal_jax.data.sources.fairface import repair_age_group
from conceal_jax.training.metrics import read_metrics
from tests.data.conftest import encode

NAMES = (
    *("pictures", "zip", "utkface", "csv", "jsonl", "extra", "fairface", "celeb_a"),
    *("config", "overrides", "attributes", "metrics", "release", "checkpoint"),
    *("export", "codes", "sweep"),
)


@pytest.fixture(scope="module")
def every_reader(tmp_path_factory):
    found = readers(tmp_path_factory.mktemp("seeds"))
    assert tuple(found) == NAMES
    return found


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_changed_files_are_read_or_refused(every_reader, tmp_path_factory, name, seed):
    reader = every_reader[name]
    data = changed(np.random.default_rng(seed), reader.seeds)
    with contextlib.suppress(ValueError):
        reader.read(data, tmp_path_factory.mktemp("changed"))


def png_header(width, height):
    fields = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", fields), (b"IDAT", zlib.compress(bytes(100))), (b"IEND", b"")]
    body = b"".join(struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks)
    return b"\x89PNG\r\n\x1a\n" + body


def test_a_header_of_50000_by_50000_pixels_is_refused_before_there_is_room_for_them():
    with pytest.raises(BadPictureError, match="more than 80,000,000 pixels"):
        decode_picture(png_header(50_000, 50_000), 64, "center")


def test_no_other_program_is_started_for_a_picture(monkeypatch):
    monkeypatch.setattr("subprocess.Popen", lambda *_, **__: pytest.fail("a program was started"))
    postscript = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n%%EndComments\nshowpage\n"
    with pytest.raises(BadPictureError, match="not a picture"):
        decode_picture(postscript, 64, "center")


def test_a_jpeg_of_many_scans_is_refused():
    content = encode(0)
    at = content.index(b"\xff\xda")
    with pytest.raises(BadPictureError, match="more than 100 scans"):
        decode_picture(content[:at] + content[at : at + 20] * 200, 64, "center")


def test_a_pipe_among_the_pictures_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "x.jpg")
    (tmp_path / "y.jpg").symlink_to("/dev/zero")
    archive = open_archive(str(tmp_path))
    for path in archive.paths:
        with pytest.raises(UnreadableFileError, match="a pipe or a device"):
            archive.read(path)


def test_paths_in_a_zip_lead_nowhere(tmp_path):
    path = tmp_path / "inner" / "x.zip"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("../../slip.jpg", b"content")
        packed.writestr("/absolute.jpg", b"content")
    archive = open_archive(str(path))
    assert all(archive.read(name) == b"content" for name in archive.paths)
    assert {item.name for item in tmp_path.rglob("*")} == {"inner", "x.zip"}


def test_tables_of_ten_million_columns_are_refused():
    with pytest.raises(ValueError, match="more than 10,000 cells"):
        parse_csv("a," * 10_000_000, "x.csv")
    with pytest.raises(ValueError, match="more than 10,000 cells"):
        parse_csv("filename,a\nx" + ',"\n"' * (MAX_COLUMNS + 1), "x.csv")
    with pytest.raises(ValueError, match="different keys"):
        parse_jsonl("\n".join(f'{{"key{number}": 1}}' for number in range(MAX_COLUMNS + 1)), "x.jsonl")


def test_a_quote_that_is_not_closed_is_told_of():
    with pytest.raises(ValueError, match=r"x\.csv line .* is not CSV"):
        parse_csv('filename,a\n"' + "x" * 200_000, "x.csv")


def test_depth_is_no_crash(tmp_path):
    deep = "[" * 100_000
    assert parse_jsonl(deep + '\n{"a": 1}', "x.jsonl").columns == {"a": ["1"]}
    (tmp_path / "metrics.jsonl").write_text(deep + '\n5\n{"step": 1}\n')
    assert read_metrics(tmp_path / "metrics.jsonl") == [{"step": 1}]
    with pytest.raises(ValueError, match="not an attribute file"):
        AttributeSet.from_json(deep)


def test_odd_attribute_files_are_refused():
    for text in ('{"concealed": [5], "kept": []}', '{"concealed": [{"kind": "x"}], "kept": []}', "[]"):
        with pytest.raises(ValueError, match="not an attribute file"):
            AttributeSet.from_json(text)


def test_an_empty_listing_of_celeb_a_is_refused(tmp_path):
    for text in ("", "12\n"):
        (tmp_path / "list_attr_celeba.txt").write_text(text)
        with pytest.raises(ValueError, match="list_eval_partition"):
            read_celeb_a(str(tmp_path))


def test_a_number_of_many_digits_is_no_age_group():
    assert repair_age_group("9" * 5000 + "-3") == "9" * 5000 + "-3"


def npz_with_header(tmp_path, shape):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": shape})
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("codes.npy", header.getvalue() + bytes(16))
    return tmp_path / "x.npz"


def test_an_array_that_claims_to_be_huge_is_refused_before_there_is_room_for_it(tmp_path):
    with pytest.raises(ValueError, match=r"codes\.npy has the shape \(50000, 50000, 3\)"):
        read_arrays(npz_with_header(tmp_path, (50_000, 50_000, 3)))


def test_a_release_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("conceal_jax.audit.release_file.MAX_BYTES", 1000)
    np.savez_compressed(tmp_path / "x.npz", codes=np.zeros((400, 4)))
    with pytest.raises(ValueError, match="it unpacks to 12,928 bytes; up to 1,000 are read"):
        read_arrays(tmp_path / "x.npz")


def test_objects_in_a_release_are_refused(tmp_path):
    np.savez(tmp_path / "x.npz", codes=np.array([{"a": 1}], object))
    with pytest.raises(ValueError, match="holds objects"):
        read_arrays(tmp_path / "x.npz")
