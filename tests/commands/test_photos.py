import io
import json
import zipfile

import numpy as np
import pytest
from PIL import Image

from conceal_jax.commands.exit_codes import ExitCode
from conceal_jax.release.photos import read_photo
from tests.commands.conftest import contents
from tests.release.photographs import FACES, RUBBISH, saved, write_album, write_rubbish


def test_photos_become_the_pictures_that_the_concealer_makes(conceal, album, key_file, tmp_path, loaded):
    out = tmp_path / "out"
    assert conceal("photos", album, out, "--as=gender=female,age=40", f"--key-file={key_file}") == ExitCode.DONE
    mapping = (tmp_path / "out.private" / "mapping.csv").read_text().splitlines()[1:]
    assert len(mapping) == 10
    for row in mapping:
        name, source = row.split(",")
        photo = read_photo((album / source).read_bytes(), 32, "center")
        expected = loaded.conceal(photo[None], "gender=female,age=40", key=key_file.read_bytes().strip())[0]
        np.testing.assert_array_equal(np.asarray(Image.open(out / f"{name}.png")), expected)
    assert len(contents(out)) == 11
    manifest = json.loads((out / "manifest.json").read_text())
    assert (manifest["complete"], manifest["count"], manifest["attributes"]) == (True, 10, "gender=female,age=40")


def test_a_zip_is_taken_as_a_folder_is(conceal, album, key_file, tmp_path):
    with zipfile.ZipFile(tmp_path / "album.zip", "w") as archive:
        for name, content in contents(album).items():
            archive.writestr(name, content)
    for source, out in ((album, "folder"), (tmp_path / "album.zip", "zip")):
        assert conceal("photos", source, tmp_path / out, f"--key-file={key_file}") == ExitCode.DONE
    assert contents(tmp_path / "folder") == contents(tmp_path / "zip")


GPS = (52.0, 31.0, 12.345)


def revealing_photo():
    """A photo with its place, maker, comment and profile, and a thumbnail of the original inside."""
    exif = Image.Exif()
    exif[0x010F] = "Maker Of Cameras"
    exif[0x0132] = "2017:01:16 00:35:42"
    exif.get_ifd(0x8825).update({1: "N", 2: GPS, 29: "2017:01:16"})
    thumbnail = saved(np.asarray(Image.fromarray(FACES[3]).resize((16, 16))))
    block = exif.tobytes() + thumbnail
    options = {"exif": block, "comment": b"Jane Doe, 26, at home", "icc_profile": b"profile of Jane's camera" * 8}
    return saved(FACES[3], quality=90, **options), thumbnail


@pytest.mark.parametrize("command", ["photos", "codes"])
def test_nothing_of_the_metadata_or_the_name_is_in_the_output(conceal, tmp_path, command):
    content, thumbnail = revealing_photo()
    name = "26_1_2_20170116003542.jpg.chip.jpg"
    (tmp_path / "Jane").mkdir()
    (tmp_path / "Jane" / name).write_bytes(content)
    assert conceal(command, tmp_path / "Jane", tmp_path / "out") == ExitCode.DONE
    released = contents(tmp_path / "out")
    everything = b"\n".join([*released.values(), *(path.encode() for path in released)])
    with Image.open(io.BytesIO(content)) as photo:
        assert photo.getexif().get_ifd(0x8825)[29] == "2017:01:16"  # it was there
    assert thumbnail in content
    told = [b"Maker", b"2017", b"Jane", b"26_1_2", b"Exif", b"profile of", thumbnail[:40], thumbnail[-200:], b"0116"]
    assert not [word for word in told if word in everything]
    assert str(tmp_path).encode() not in everything


def test_rubbish_is_listed_with_its_reasons(conceal, tmp_path, capsys):
    write_album(write_rubbish(tmp_path / "mixed"), 5)
    (tmp_path / "mixed" / "notes.txt").write_text("not a picture, and not called one")
    assert conceal("photos", tmp_path / "mixed", tmp_path / "out") == ExitCode.SKIPPED
    assert "5 of 13 done, 8 skipped" in capsys.readouterr().out
    rows = (tmp_path / "out.private" / "skipped.csv").read_text().splitlines()[1:]
    listed = dict(row.split(",", 1) for row in rows)
    assert {name: RUBBISH[name][1] in reason for name, reason in listed.items()} == dict.fromkeys(RUBBISH, True)
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert sorted(manifest["skipped"].values()) == sorted(
        reason.strip('"') for reason in (row.split(",", 1)[1] for row in rows)
    )
    assert len(list((tmp_path / "out").glob("*.png"))) == 5


def test_nothing_but_rubbish_is_no_failure(conceal, tmp_path):
    write_rubbish(tmp_path / "rubbish")
    assert conceal("codes", tmp_path / "rubbish", tmp_path / "codes") == ExitCode.SKIPPED
    assert json.loads((tmp_path / "codes" / "manifest.json").read_text())["count"] == 0


def test_names_are_kept_when_asked(conceal, album, tmp_path):
    assert conceal("photos", album, tmp_path / "out", "--keep-names") == ExitCode.DONE
    assert set(contents(tmp_path / "out")) == {*(f"{name}.png" for name in contents(album)), "manifest.json"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{album}", "{tmp}/out", "--as=hair=red"], "unknown attribute 'hair'"),
        (["{tmp}/absent", "{tmp}/out"], "no such folder or zip"),
        (["{tmp}/empty", "{tmp}/out"], "no pictures in"),
        (["{album}", "{album}"], "not empty|lies in"),
        (["{album}", "{album}/out"], "lies in"),
        (["{album}", "{tmp}/empty/../album2", "--key-file={tmp}/short"], "key of 5 bytes"),
        (["{album}", "{tmp}/out", "--key-file={tmp}/absent"], "No such file"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(conceal, album, tmp_path, capsys, arguments, message):
    (tmp_path / "empty").mkdir()
    (tmp_path / "short").write_text("short")
    filled = [argument.format(album=album, tmp=tmp_path) for argument in arguments]
    assert conceal("photos", *filled) == ExitCode.FAILED
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: ")
    assert any(part in error for part in message.split("|"))
    assert not (tmp_path / "out.private").exists()
