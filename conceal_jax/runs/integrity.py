"""Checksums of a folder's files: what a disk, a cut off copy or a full quota did to them does not stay unnoticed."""

import json
import zlib
from collections.abc import Iterator
from pathlib import Path

from conceal_jax.runtime import atomic
from conceal_jax.version import __version__

SEAL = "checksums.json"
_CHUNK = 2**22


def seal(folder: Path, part: str) -> None:
    """Writes the sizes and CRC-32s of all files under `folder/part` into `folder/checksums.json`."""
    files = {
        path.relative_to(folder).as_posix(): [path.stat().st_size, _crc32(path)]
        for path in sorted((folder / part).rglob("*"))
        if path.is_file()
    }
    atomic.write_text(folder / SEAL, json.dumps({"version": __version__, "files": files}))


def damage(folder: Path) -> str | None:
    """What is wrong with a folder that was sealed; None if every file is as it was."""
    try:
        files = json.loads((folder / SEAL).read_text(encoding="utf-8"))["files"]
        return next(_differences(folder, files), None)
    except FileNotFoundError:
        return f"it has no {SEAL}: its saving was cut off"
    except OSError as error:
        return f"it cannot be read ({error})"
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        return f"its {SEAL} is damaged ({type(error).__name__})"


def _differences(folder: Path, files: dict[str, list[int]]) -> Iterator[str]:
    if not files:
        yield f"its {SEAL} names no file"
    for name, (size, checksum) in files.items():
        path = folder / name
        if not path.is_file():
            yield f"{name} is missing"
        elif path.stat().st_size != size:
            yield f"{name} has {path.stat().st_size} bytes in place of {size}"
        elif _crc32(path) != checksum:
            yield f"{name} has changed (checksum)"


def _crc32(path: Path) -> int:
    checksum = 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            checksum = zlib.crc32(chunk, checksum)
    return checksum
