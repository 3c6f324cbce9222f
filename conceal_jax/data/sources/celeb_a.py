"""CelebA from a local copy: the aligned faces and the text files that come with them (Liu et al. 2015)."""

import os

from conceal_jax.data.archive import Archive, open_archive
from conceal_jax.data.collection import Items
from conceal_jax.data.labels.table import Table, parse_csv, read_beside
from conceal_jax.data.sources.folder import read_folder

PLACE_BY_HAND = (
    "download img_align_celeba.zip, list_attr_celeba.txt and list_eval_partition.txt (and identity_CelebA.txt, so that "
    "no person is on both sides of the split) from the CelebA project page with a browser, put them into one folder, "
    "and set data.source='celeb_a' and data.path to that folder"
)
_PARTITIONS = {"0": "train", "1": "validation", "2": "test"}


def read_celeb_a(path: str) -> Items:
    """Reads attributes ("1" and "-1"), the official split, and the person where identity_CelebA.txt is there.

    Args:
        path: a folder with img_align_celeba (unpacked or .zip) and the text files (.txt or, as on Kaggle, .csv), or a
            zip with them inside or beside it.

    Raises:
        ValueError: a file is missing; says how to place a copy.
    """
    files = open_archive(path)
    pictures = files
    if not files.pictures and "img_align_celeba.zip" in files.paths:
        pictures = open_archive(os.path.join(path, "img_align_celeba.zip"))
    attributes = _read_listing(files, "list_attr_celeba", ("image_id",))
    partition = _read_listing(files, "list_eval_partition", ("image_id", "partition"))
    identity = _read_listing(files, "identity_CelebA", ("image_id", "identity"))
    if attributes is None or partition is None:
        raise ValueError(f"{path} lacks list_attr_celeba.txt or list_eval_partition.txt; {PLACE_BY_HAND}")
    columns = dict(attributes.columns)
    numbers = _lookup(partition, "partition", attributes)
    columns["split"] = [_PARTITIONS.get(number, number) for number in numbers]
    if identity is not None:
        columns["identity"] = _lookup(identity, "identity", attributes)
    return read_folder(pictures, Table(attributes.origin, columns, attributes.bad_rows))


def _read_listing(files: Archive, name: str, header: tuple[str, ...]) -> Table | None:
    """A listing as .csv, or as .txt: cells between spaces, under an optional count and optional column names."""
    if (text := read_beside(files, f"{name}.csv")) is not None:
        return parse_csv(text, f"{name}.csv")
    if (text := read_beside(files, f"{name}.txt")) is None:
        return None
    rows = [line.split() for line in text.splitlines() if line.strip()]
    if rows and len(rows[0]) == 1:
        named = rows[1] if len(rows) > 1 else []
        header, rows = (*header, *named), rows[2:]
    lines = (",".join(row) for row in [list(header), *rows])
    return parse_csv("\n".join(lines), f"{name}.txt")


def _lookup(table: Table, column: str, attributes: Table) -> list[str]:
    """The cells of a column for the files of the attribute listing; "" for those it lacks."""
    cells = dict(zip(table.file_names(), table.column(column), strict=True))
    return [cells.get(name, "") for name in attributes.file_names()]
