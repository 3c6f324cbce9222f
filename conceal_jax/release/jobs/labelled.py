"""Joins the codes of a folder with the labels of their photos, for an audit."""

import collections
import logging
from pathlib import Path, PurePosixPath

import numpy as np

from conceal_jax.attributes import MISSING_CLASS
from conceal_jax.audit.release_file import INPUTS, MAX_CLASSES, PERSON, POSTERIOR, SPLIT
from conceal_jax.data.labels.table import Table, read_table
from conceal_jax.release.jobs.job import MAPPING
from conceal_jax.release.jobs.shards import read_codes, read_manifest

logger = logging.getLogger(__name__)


def labelled_codes(folder: Path, labels: Path) -> dict[str, np.ndarray]:
    """The arrays of an audit (`conceal_jax.audit.release_file`).

    The private folder beside the codes maps each code to its photo; without it, the table must name the codes
    themselves. Codes without a row are left out, and counted in a warning.

    Args:
        folder: that `conceal codes` wrote.
        labels: CSV or JSONL with a column of file names (whole paths, or the files' names alone); every other column
            is an attribute, or `person` or `split`.

    Raises:
        ValueError: the codes or the table cannot be read, or a row is ambiguous.
    """
    table = read_table(str(labels))
    taken = sorted({*INPUTS, *POSTERIOR} & table.columns.keys())
    if taken:
        raise ValueError(f"{labels} has columns called {', '.join(taken)}; give attributes other names")
    for place, reason in table.bad_rows.items():
        logger.warning("left out: %s %s", place, reason)
    if not read_manifest(folder).get("complete"):
        logger.warning("%s is not complete; its finished shards are audited", folder)
    shards = list(read_codes(folder))
    names = [name for part, _ in shards for name in part]
    rows = _rows_of(_sources(folder, names), table)
    labelled = [index for index, row in enumerate(rows) if row is not None]
    if not labelled:
        raise ValueError(f"no row of {labels} names a photo of {folder}; its column of file names must hold them")
    if len(labelled) < len(names):
        logger.warning(
            "%d of %d codes have no row in %s and are left out", len(names) - len(labelled), len(names), labels
        )
    chosen = [rows[index] for index in labelled]
    columns = {
        name: _parse(name, [cells[row] for row in chosen if row is not None]) for name, cells in table.labels().items()
    }
    return {**columns, "codes": np.concatenate([codes for _, codes in shards])[labelled]}


def _sources(folder: Path, names: list[str]) -> list[str]:
    """The photos' paths in the collection, or the codes' own names where there is no mapping."""
    mapping = folder.absolute().with_name(f"{folder.absolute().name}.private") / MAPPING
    if not mapping.is_file():
        return names
    noted = read_table(str(mapping))
    source = dict(zip(noted.column("name"), noted.column("source"), strict=True))
    return [source.get(name, name) for name in names]


def _rows_of(sources: list[str], table: Table) -> list[int | None]:
    """The row that names each photo by its path or, if there is none, by the last part of it."""
    cells = table.file_names()
    row_of = {cell: row for row, cell in enumerate(cells)}
    if len(row_of) < len(cells):
        twice = next(cell for cell, count in collections.Counter(cells).items() if count > 1)
        raise ValueError(f"{table.origin} names {twice!r} in several rows; leave one of them")
    rows = [row_of.get(source, row_of.get(PurePosixPath(source).name)) for source in sources]
    used = collections.Counter(row for row in rows if row is not None)
    shared = [cells[row] for row, count in used.items() if count > 1]
    if shared:
        raise ValueError(f"{shared[0]!r} in {table.origin} may be any of several photos; give their paths")
    return rows


def _parse(name: str, cells: list[str]) -> np.ndarray:
    """Numbers where every cell that is not empty is one (NaN where empty), else texts.

    Whole numbers that are classes are integers, of which -1 is a missing label; but -1 and 1 alone are a flag.
    """
    texts = [cell.strip() for cell in cells]
    if name in (PERSON, SPLIT):
        return np.array(texts)
    try:
        numbers = np.array([float(text) if text else np.nan for text in texts])
    except ValueError:
        return np.array(texts)
    known = np.unique(numbers[~np.isnan(numbers)])
    classes = len(known) <= MAX_CLASSES and bool(np.all(known == np.round(known))) and bool(np.all(np.isfinite(known)))
    if not classes or known.tolist() == [-1, 1]:
        return numbers
    return np.where(np.isnan(numbers), MISSING_CLASS, numbers).astype(np.int64)
