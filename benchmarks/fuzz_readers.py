"""What `benchmarks.fuzz` feeds damaged files to: every reader of files, with good ones to damage."""

import dataclasses
import io
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

from conceal_jax.attributes import AGE_GROUPS, AttributeSet, Categorical, Continuous
from conceal_jax.audit.release_file import parse_release, read_arrays
from conceal_jax.config import Config, DataConfig
from conceal_jax.config import files as config_files
from conceal_jax.data.archive import open_archive
from conceal_jax.data.pictures import decode_picture
from conceal_jax.data.sources.open import open_collection
from conceal_jax.models.vae import create_model, init_params
from conceal_jax.release.export.export import load_export
from conceal_jax.release.jobs.job import MANIFEST, checksum
from conceal_jax.release.jobs.labelled import labelled_codes
from conceal_jax.release.jobs.shards import shard_bytes
from conceal_jax.research.figures import row
from conceal_jax.research.members import Encoded
from conceal_jax.research.sweep import Directory
from conceal_jax.runs import run_directory
from conceal_jax.runs.checkpoint import Checkpoints, restore_run
from conceal_jax.runs.parameters import save_parameters
from conceal_jax.runtime.parallel import create_mesh, replicated_like
from conceal_jax.training.metrics import read_metrics

ROOT = Path(__file__).parents[1]
GENDER = Categorical("gender", ("male", "female"))
AGE = Continuous("age", 0, 120, "years", edges=AGE_GROUPS)
YOUNG = Categorical("Young", ("-1", "1"))
GROUPED = Categorical("age", ("0-2", "3-9", "10-19", "20-29"))


@dataclasses.dataclass(frozen=True)
class Reader:
    """What is fuzzed: good inputs, and a function of the bytes of a changed one, which may use an empty folder."""

    seeds: tuple[bytes, ...]
    read: Callable[[bytes, Path], object]


def _pictures() -> tuple[bytes, ...]:
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (24, 24, 3), np.uint8))
    return tuple(_encoded(picture, kind) for kind in ("JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF"))


def _encoded(picture: Image.Image, kind: str) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **({"progressive": True} if kind == "JPEG" else {}))
    return buffer.getvalue()


def _zip(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def _read_zip(data: bytes, folder: Path) -> None:
    (folder / "x.zip").write_bytes(data)
    archive = open_archive(str(folder / "x.zip"))
    for path in archive.paths:
        archive.fingerprint(path)
        archive.read(path)


def _collection(source: str, file: str, attributes: AttributeSet, **settings: str) -> Callable[[bytes, Path], object]:
    """Opens a collection of twelve pictures, one file of which is the given bytes."""

    def read(data: bytes, folder: Path) -> object:
        pictures = folder / "photos"
        for name in (f"{part}/{number}.jpg" for part in ("train", "val") for number in range(6)):
            (pictures / name).parent.mkdir(parents=True, exist_ok=True)
            (pictures / name).write_bytes(name.encode())
        (folder / "labels.csv").write_text("filename,gender\n" + _rows("female"))
        partition = _rows("0", separator=" ").replace("train/0.jpg 0", "train/0.jpg 1")
        (pictures / "list_eval_partition.txt").write_text(partition)
        (folder / file).write_bytes(data)
        given: dict[str, Any] = {key: str(folder / value) for key, value in settings.items()}
        return open_collection(DataConfig(source=source, path=str(pictures), **given), attributes, 0)

    return read


def _rows(*cells: str, separator: str = ",") -> str:
    names = [f"{part}/{number}.jpg" for part in ("train", "val") for number in range(6)]
    return "".join(separator.join([name, *cells]) + "\n" for name in names)


def _read_utkface(data: bytes, folder: Path) -> object:
    names = [name for name in data.decode("latin-1").replace("/", "").split("\0") if name]
    (folder / "x.zip").write_bytes(_zip({name[:200]: name.encode() for name in names}))
    return open_collection(DataConfig(source="utkface", path=str(folder / "x.zip")), AttributeSet((GENDER, AGE)), 0)


def _read_release(path: Path) -> object:
    return parse_release(read_arrays(path), str(path))


def _file(read: Callable[[Path], object], name: str) -> Callable[[bytes, Path], object]:
    def call(data: bytes, folder: Path) -> object:
        (folder / name).write_bytes(data)
        return read(folder / name)

    return call


def _folder_reader(good: Path, files: list[Path], load: Callable[[Path], object]) -> Reader:
    """Changes one file of a folder."""
    contents = [(good / path).read_bytes() for path in files]

    def read(data: bytes, empty: Path) -> object:
        # Which one, is told by the length that the input's is nearest to.
        index = min(range(len(contents)), key=lambda each: abs(len(contents[each]) - len(data)))
        shutil.copytree(good, empty / "copy")
        (empty / "copy" / files[index]).write_bytes(data)
        return load(empty / "copy")

    return Reader(tuple(contents), read)


def _require_equal(found: Any, expected: Any) -> None:
    if not all(map(np.array_equal, jax.tree.leaves(found), jax.tree.leaves(expected))):
        raise AssertionError("damaged numbers were read")


def _checkpoint_reader(good: Path) -> Reader:
    state = {"step": jnp.int32(2), "params": jax.random.normal(jax.random.key(0), (64, 8))}
    with Checkpoints(good, keep=2) as checkpoints:
        checkpoints.save(2, state)
    target = replicated_like(state, create_mesh())
    files = sorted(path.relative_to(good) for path in (good / "2").rglob("*") if path.is_file())
    files = [path for path in files if path.parts[1] == "default" or path.name == "checksums.json"]
    return _folder_reader(good, files, lambda folder: _require_equal(restore_run(folder, target), state))


def _export_reader(good: Path, config: Config) -> Reader:
    """What of an exported folder is read again; its programs are for other software."""
    params = jax.device_get(init_params(create_model(config), config, jax.random.key(0)))
    good.mkdir()
    config_files.save(config, good / run_directory.CONFIG)
    config.attributes.save(good / run_directory.ATTRIBUTES)
    save_parameters(good / run_directory.PARAMETERS, params, config, step=2, stage="autoencoder")
    files = {path.name: checksum(path) for path in good.iterdir()}
    (good / MANIFEST).write_text(json.dumps({"kind": "model", "step": 2, "files": files}))
    return _folder_reader(
        good,
        [path.relative_to(good) for path in good.iterdir()],
        lambda folder: _require_equal(load_export(folder).params, params),
    )


def _codes_reader(good: Path) -> Reader:
    """A folder of codes, and the table of labels that is joined to it."""
    codes, names = np.arange(24, dtype=np.float32).reshape(6, 4), [f"{number}.jpg" for number in range(6)]
    good.mkdir()
    (good / "codes-00000.npz").write_bytes(shard_bytes(names, codes, "npz"))
    shards = [{"file": path.name, "sha256": checksum(path)} for path in good.iterdir()]
    (good / MANIFEST).write_text(json.dumps({"kind": "codes", "shards": shards}))
    (good / "labels.csv").write_text("filename,gender\n" + "".join(f"{name},male\n" for name in names))

    def load(folder: Path) -> None:
        found = labelled_codes(folder, folder / "labels.csv")["codes"]
        _require_equal([row for row in found if row.tolist() not in codes.tolist()], [])

    return _folder_reader(good, [path.relative_to(good) for path in good.iterdir()], load)


def _sweep_reader(good: Path, config: Config) -> Reader:
    """What a sweep goes on from: its members, their figures, parameters and codes."""
    members, name, codes = {"000-seed0": config}, "000-seed0", np.arange(24, dtype=np.float32).reshape(6, 4)
    directory, seen = Directory(good), Encoded(*[codes] * 6)
    directory.open(members)
    directory.save_trained(name, [row("psnr_db", 12.5)], {"layer": {"kernel": codes}}, (seen, seen))

    def load(folder: Path) -> None:
        copy = Directory(folder)
        copy.open(members)
        copy.is_trained(name)
        found = (copy.params(name), [part.codes for part in copy.codes(name, finite=True)])
        _require_equal(found, ({"layer": {"kernel": codes}}, [codes, codes]))

    return _folder_reader(good, [path.relative_to(good) for path in good.rglob("*") if path.is_file()], load)


def readers(folder: Path) -> dict[str, Reader]:
    """All readers, by name."""
    config = config_files.load_config(str(ROOT / "configs/demo.py"))
    config_files.save(config, folder / "config.json")
    config.attributes.save(folder / "attributes.json")
    generator = np.random.default_rng(0)
    npz = io.BytesIO()
    codes, gender = generator.normal(size=(40, 3)), generator.integers(0, 2, 40)
    np.savez(npz, codes=codes, gender=gender, age=generator.uniform(0, 90, 40), split=np.array(["train", "test"] * 20))
    rows = _rows("female", "30", "train").replace("val/0.jpg,female,30,train", "val/0.jpg,male,3,val")
    csv = f"filename,gender,age,split\n{rows}".encode()
    lines = "".join(json.dumps({"filename": f"train/{n}.jpg", "gender": "male", "age": n}) + "\n" for n in range(6))
    extra = f"filename,duplicate_group,split\n{_rows('1', 'train')[:70]}\nval/1.jpg,,val\n".encode()
    celeb = f"12\nYoung\n{_rows('1', separator='  ')}".encode()
    names = b"\0".join(b"%d_%d_%d_2017%d.jpg" % (n, n % 2, n % 5, n) for n in range(9))
    both = AttributeSet((GENDER, AGE))
    one = AttributeSet((GENDER,))
    metrics = b'{"step": 2, "train/loss": 1.5}\n{"step": 4, "validation/psnr_db": 12.5}\n'
    fairface = tuple(f"file,age,gender\n{_rows(*row)}".encode() for row in (("3-9", "Male"), ("03-Sep", "Female")))
    return {
        "pictures": Reader(_pictures(), lambda data, _: decode_picture(data, 32, "center")),
        "zip": Reader((_zip({"a.jpg": b"abc" * 50, "b/c.jpg": bytes(300)}), _zip({"../x.jpg": b"q"})), _read_zip),
        "utkface": Reader((names,), _read_utkface),
        "csv": Reader((csv,), _collection("folder", "l.csv", both, labels="l.csv")),
        "jsonl": Reader((lines.encode(),), _collection("folder", "l.jsonl", both, labels="l.jsonl")),
        "extra": Reader((extra,), _collection("folder", "x.csv", one, labels="labels.csv", extra="x.csv")),
        "fairface": Reader(fairface, _collection("fairface", "l.csv", AttributeSet((GROUPED,)), labels="l.csv")),
        "celeb_a": Reader((celeb,), _collection("celeb_a", "photos/list_attr_celeba.txt", AttributeSet((YOUNG,)))),
        "config": Reader(((folder / "config.json").read_bytes(),), _file(config_files.load, "config.json")),
        "overrides": Reader(
            (b"(8, 16)", b"(24, 32)", b"(16,  8)"),
            lambda data, _: config_files.override(config, {"model.widths": data.decode("latin-1")}),
        ),
        "attributes": Reader(((folder / "attributes.json").read_bytes(),), _file(AttributeSet.load, "a.json")),
        "metrics": Reader((metrics,), _file(read_metrics, "metrics.jsonl")),
        "release": Reader((npz.getvalue(),), _file(_read_release, "x.npz")),
        "checkpoint": _checkpoint_reader(folder / "good"),
        "export": _export_reader(folder / "exported", config),
        "codes": _codes_reader(folder / "codes"),
        "sweep": _sweep_reader(folder / "sweep", config),
    }
