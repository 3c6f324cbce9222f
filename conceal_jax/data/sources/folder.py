"""A folder or zip of pictures with a table of labels."""

from collections.abc import Sequence

from conceal_jax.data.archive import Archive, UnreadableFileError, short_names
from conceal_jax.data.collection import Items
from conceal_jax.data.labels.table import Table
from conceal_jax.data.report import DataReport


def read_folder(archive: Archive, table: Table) -> Items:
    """The items are the rows of the table; each names a file, or the end of its path where that is unique.

    Rows that cannot be read, name no file, or label a file differently from another row are skipped with the reason.
    Pictures without a row are not items; the report's notes count them.

    Raises:
        ValueError: the table has no column of file names.
    """
    report = DataReport(table.origin, skipped=dict(table.bad_rows))
    rows = _rows_by_path(archive, table, report)
    report.found = len(rows) + len(report.skipped)
    paths, labels = sorted(rows), table.labels()
    names = short_names(paths)
    for path, name in zip(paths, names, strict=True):
        if len({tuple(cells[row] for cells in labels.values()) for row in rows[path]}) > 1:
            report.skip(name, f"{len(rows[path])} rows of {table.origin} label it differently")
    kept = [index for index, name in enumerate(names) if name not in report.skipped]
    if unlabelled := len(set(archive.pictures) - set(paths)):
        report.notes.append(f"{unlabelled} pictures in {archive.origin} have no row in {table.origin}")
    return items_of_rows(
        archive,
        [paths[index] for index in kept],
        [names[index] for index in kept],
        {name: [cells[rows[paths[index]][0]] for index in kept] for name, cells in labels.items()},
        report,
    )


def items_of_rows(
    archive: Archive,
    paths: Sequence[str],
    names: Sequence[str],
    columns: dict[str, list[str]],
    report: DataReport,
) -> Items:
    """Items whose pictures are files of an archive."""
    return Items(
        names,
        columns,
        lambda index: archive.read(paths[index]),
        report,
        lambda index: archive.fingerprint(paths[index]),
    )


def _rows_by_path(archive: Archive, table: Table, report: DataReport) -> dict[str, list[int]]:
    """The rows of each file; names that belong to no file are skipped."""
    find = archive.find()
    rows: dict[str, list[int]] = {}
    for row, name in enumerate(table.file_names()):
        try:
            rows.setdefault(find(name), []).append(row)
        except UnreadableFileError as error:
            report.skip(name or f"{table.origin} row {row + 1}", str(error))
    return rows
