"""Files of codes: one shard a file, as NumPy's `.npz` or as Parquet, in a folder with a manifest."""

import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from conceal_jax.release.jobs.job import MANIFEST, checksum, leads_outside
from conceal_jax.runtime.json_files import named_errors, read_object

FORMATS = ("npz", "parquet")


def shard_bytes(names: list[str], codes: np.ndarray, kind: str) -> bytes:
    """A file of codes; equal codes give equal bytes.

    Args:
        names: one for each code.
        codes: float32 [N, L].
        kind: "npz" has the arrays `names` and `codes`, "parquet" the columns `name` and `code` (a list of L floats).

    Raises:
        ValueError: "parquet" without pyarrow.
    """
    buffer = io.BytesIO()
    if kind == "npz":
        np.savez(buffer, names=np.asarray(names, np.str_), codes=codes)
    else:
        arrow, parquet = _pyarrow()
        column = arrow.FixedSizeListArray.from_arrays(arrow.array(codes.ravel()), codes.shape[1])
        table = arrow.table({"name": arrow.array(names, arrow.string()), "code": column})
        parquet.write_table(table, buffer, compression="none")
    return buffer.getvalue()


def read_shard(path: Path) -> tuple[list[str], np.ndarray]:
    """Names, and codes float32 [N, L], of a file that `shard_bytes` made.

    Raises:
        ValueError: "parquet" without pyarrow.
    """
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as arrays:
            return arrays["names"].tolist(), arrays["codes"]
    _, parquet = _pyarrow()
    table = parquet.read_table(path)
    column = table["code"].combine_chunks()
    return table["name"].to_pylist(), column.flatten().to_numpy().reshape(len(column), column.type.list_size)


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a folder that `conceal codes` wrote.

    Raises:
        ValueError: it is no such folder.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise ValueError(f"no {MANIFEST} in {folder}; give a folder that `conceal codes` wrote")
    manifest = read_object(path)
    if manifest.get("kind") != "codes":
        raise ValueError(f"{folder} holds {manifest.get('kind')}, not codes; give a folder that `conceal codes` wrote")
    return manifest


def read_codes(folder: Path) -> Iterator[tuple[list[str], np.ndarray]]:
    """Names, and codes float32 [N, L], of each shard of a folder that `conceal codes` wrote.

    Raises:
        ValueError: it is no such folder, a shard is not the file that was written, or a name, of a shard or of a code,
            leads out of its folder.
    """
    manifest = read_manifest(folder)
    with named_errors(folder / MANIFEST):
        shards = [(str(shard["file"]), shard["sha256"]) for shard in manifest["shards"]]
    for file, digest in shards:
        _require_inside([file], folder)
        path = folder / file
        if not path.is_file() or checksum(path) != digest:
            raise ValueError(f"{path} is missing or was changed since it was written; make the codes again")
        names, codes = read_shard(path)
        names = [str(name) for name in names]
        # The checksums come from the same folder, so they prove nothing about its names.
        _require_inside(names, path)
        yield names, codes


def _require_inside(names: Iterable[str], origin: Path) -> None:
    outside = next(filter(leads_outside, names), None)
    if outside is not None:
        raise ValueError(f"{outside!r} in {origin} names a place outside of its folder; do not trust these codes")


def require_format(kind: str) -> None:
    """Raises ValueError where a format's library is missing, before a long job begins."""
    if kind == "parquet":
        _pyarrow()


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise ValueError("Parquet needs pyarrow: pip install pyarrow, or choose --format=npz") from error
    return pyarrow, pyarrow.parquet
