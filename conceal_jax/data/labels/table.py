"""Tables of labels, from CSV or JSONL."""

import csv
import dataclasses
import io
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from conceal_jax.data.archive import Archive, UnreadableFileError
from conceal_jax.data.collection import cell_text, require_column

FILE_COLUMNS = ("filename", "file", "file_name", "image", "image_id", "path")
"""The column of file names is the first of these that a table has."""

MAX_COLUMNS = 10_000
MAX_CELLS = 200_000_000
MAX_TABLE_BYTES = 2**30


@dataclasses.dataclass(frozen=True)
class Table:
    """Text cells by column.

    Attributes:
        origin: the file, for messages.
        columns: equally long lists.
        bad_rows: the reason why a row cannot be read, by a name such as "labels.csv line 17".
    """

    origin: str
    columns: dict[str, list[str]]
    bad_rows: dict[str, str] = dataclasses.field(default_factory=dict)

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), []))

    def file_names(self) -> list[str]:
        """The cells of the column of file names.

        Raises:
            ValueError: the table has no such column.
        """
        name = next((name for name in FILE_COLUMNS if name in self.columns), None)
        if name is None:
            raise ValueError(
                f"no column of file names in {self.origin}; it has: {', '.join(self.columns)}. Call one of them "
                f"{', '.join(FILE_COLUMNS)}"
            )
        return self.columns[name]

    def labels(self) -> dict[str, list[str]]:
        """All columns but that of the file names."""
        files = self.file_names()
        return {name: cells for name, cells in self.columns.items() if cells is not files}

    def column(self, name: str) -> list[str]:
        """The cells of a column; a `ValueError` lists the columns where it is missing."""
        return list(require_column(self.columns, name, self.origin))


def read_table(path: str, archive: Archive | None = None) -> Table:
    """Reads a CSV with a header, or a JSONL (one object a line), by the suffix of its name.

    Args:
        path: of a file on disk or, failing that, of a file in the archive.
        archive: the collection's folder or zip.

    Raises:
        ValueError: there is no such file, or it is not UTF-8 text with a header.
    """
    text = read_text(path, archive)
    name = Path(path).name
    return parse_jsonl(text, name) if name.endswith((".jsonl", ".json")) else parse_csv(text, name)


def read_text(path: str, archive: Archive | None = None) -> str:
    """The text of a file on disk or, failing that, in the archive; see `read_table`."""

    def content() -> bytes:
        if Path(path).is_file():
            size = Path(path).stat().st_size
            if size > MAX_TABLE_BYTES:
                raise UnreadableFileError(f"has {size:,} bytes; a table may have {MAX_TABLE_BYTES:,}")
            return Path(path).read_bytes()
        if archive is None:
            raise UnreadableFileError("no such file")
        return archive.read(archive.find()(path))

    return _decoded(path, content)


def _decoded(path: str, content: Callable[[], bytes]) -> str:
    try:
        return content().decode("utf-8-sig")
    except UnreadableFileError as error:
        raise ValueError(f"{path}: {error}; give the path of a CSV or JSONL file") from error
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error}); give the path of a CSV or JSONL file") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 text; save it as UTF-8") from error


def read_beside(archive: Archive, name: str) -> str | None:
    """The text of a file that lies in the archive, or in the folder that holds it; None if there is no such file."""
    beside = Path(archive.origin).parent / name
    inside = [path for path in archive.paths if path.rpartition("/")[2] == name]
    if inside:
        # Not by `read_text`, which would take a file of this path in the working directory for it.
        return _decoded(inside[0], lambda: archive.read(inside[0]))
    return read_text(str(beside)) if beside.is_file() else None


def parse_csv(text: str, origin: str) -> Table:
    """A table from CSV text whose first row names the columns; rows of another length are bad rows.

    Raises:
        ValueError: it is not CSV, a row has more than `MAX_COLUMNS` cells, or the first one names no columns.
    """
    lines = _Lines(text, origin)
    rows = csv.reader(lines)
    good, bad = [], {}
    try:
        header = [name.strip() for name in next(rows, [])]
        if not any(header) or len(set(header)) != len(header):
            raise ValueError(f"{origin} begins with {header[:8]}; its first row must name the columns, each once")
        for row in rows:
            lines.commas = 0
            if len(row) == len(header):
                good.append(row)
            elif row:
                bad[f"{origin} line {rows.line_num}"] = f"has {len(row)} cells; the header has {len(header)}"
    except csv.Error as error:
        raise ValueError(f"{origin} line {rows.line_num} is not CSV ({error}); is a quote not closed?") from error
    columns = zip(*good, strict=True) if good else ((),) * len(header)
    return Table(origin, {name: list(cells) for name, cells in zip(header, columns, strict=True)}, bad)


class _Lines:
    """The lines of a CSV, as long as no row of them can be longer than a table may be wide.

    Attributes:
        commas: since the last row.
    """

    def __init__(self, text: str, origin: str) -> None:
        self._lines, self._origin = io.StringIO(text, newline=""), origin
        self.commas = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self.commas += line.count(",")
        if self.commas > MAX_COLUMNS:
            raise ValueError(f"{self._origin} has a row of more than {MAX_COLUMNS:,} cells; is it a table of labels?")
        return line


def parse_jsonl(text: str, origin: str) -> Table:
    """A table from one JSON object a line; a key that a line lacks is an empty cell.

    Raises:
        ValueError: there are more than `MAX_COLUMNS` different keys, or `MAX_CELLS` cells.
    """
    good: list[Mapping[str, object]] = []
    bad = {}
    # Not by `splitlines`, which also cuts at U+2028 and the like, that JSON allows in texts.
    for number, line in enumerate(text.split("\n"), start=1):
        try:
            row = json.loads(line) if line.strip() else None
        except (ValueError, RecursionError) as error:
            bad[f"{origin} line {number}"] = f"is not JSON ({error})"
            continue
        if isinstance(row, dict):
            good.append(row)
        elif row is not None:
            bad[f"{origin} line {number}"] = "is not a JSON object"
    names = dict.fromkeys(name for row in good for name in row)
    if len(names) > MAX_COLUMNS or len(names) * len(good) > MAX_CELLS:
        raise ValueError(
            f"{origin} has {len(names):,} different keys in {len(good):,} lines; up to {MAX_COLUMNS:,} keys and "
            f"{MAX_CELLS:,} cells can be read"
        )
    return Table(origin, {name: [cell_text(row.get(name)) for row in good] for name in names}, bad)
