"""Joins an extra CSV with splits, groups and further labels to the items by file name."""

import dataclasses
from pathlib import PurePosixPath

from conceal_jax.data.collection import Items
from conceal_jax.data.labels.table import Table


def join_extra(items: Items, table: Table) -> Items:
    """Adds the table's columns; where both have a column, the table's takes its place.

    A row belongs to the item of that name or, if one name is the end of the other, to the only item of that name
    without folders. Items without a row get empty cells. The report's notes count these items, and rows without
    an item.

    Raises:
        ValueError: no row belongs to any item, or a file is named by rows that differ.
    """
    rows = _rows_by_item(items, table)
    report = items.report
    if not rows and items.names:
        raise ValueError(
            f"no row of {table.origin} names a file of {report.origin}; it has {table.file_names()[:2]}, "
            f"the files are {list(items.names[:2])}"
        )
    report.notes.append(
        f"{table.origin}: {len(rows)} of {len(items.names)} items have a row; "
        f"{len(table) - len(rows)} rows have no item"
    )
    report.notes += [f"{line} {reason}" for line, reason in table.bad_rows.items()]
    report.origin = f"{report.origin} with {table.origin}"
    added = {
        name: [cells[rows[index]] if index in rows else "" for index in range(len(items.names))]
        for name, cells in table.labels().items()
    }
    return dataclasses.replace(items, columns={**items.columns, **added})


def _rows_by_item(items: Items, table: Table) -> dict[int, int]:
    """The row of each item that has one."""
    by_name = {name: index for index, name in enumerate(items.names)}
    by_base: dict[str, list[int]] = {}
    for index, name in enumerate(items.names):
        by_base.setdefault(name.rpartition("/")[2], []).append(index)
    rows: dict[int, int] = {}
    for row, cell in enumerate(table.file_names()):
        name = str(PurePosixPath(cell))
        same_base = by_base.get(name.rpartition("/")[2], [])
        # One name may have leading folders that the other lacks, but the folders that both have must agree.
        alone = same_base if len(same_base) == 1 and _same_ending(name, items.names[same_base[0]]) else [-1]
        index = by_name.get(name, alone[0])
        if index < 0:
            continue
        if index in rows and any(cells[rows[index]] != cells[row] for cells in table.labels().values()):
            raise ValueError(f"{table.origin} has rows that differ for {name}; keep one of them")
        rows[index] = row
    return rows


def _same_ending(name: str, other: str) -> bool:
    short, long = sorted((name, other), key=len)
    return long == short or long.endswith(f"/{short}")
