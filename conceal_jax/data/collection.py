"""A labelled picture collection, built from the text cells of a source: labels, groups, splits."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np

from conceal_jax.attributes import Attribute, AttributeSet, Categorical
from conceal_jax.data.grouping import assign_splits, connected_groups, identify, normalise_split
from conceal_jax.data.report import DataReport

SPLIT_COLUMN = "split"
PERSON_COLUMNS = ("identity", "person")
"""Columns that hold the person on a picture."""
GROUP_COLUMNS = ("duplicate_group", "group", *PERSON_COLUMNS)
"""Columns that define groups: items that share a value in any of them share a group."""

Read = Callable[[int], bytes | np.ndarray]


@dataclasses.dataclass(frozen=True)
class Collection:
    """A labelled picture collection: indexed, not decoded.

    Attributes:
        names: object [N], unique file names.
        labels: by attribute name, each attribute's dtype [N]; -1 or NaN where missing.
        identified_by: "contents" of the files, where the split depends on them, else "names".
        identity: uint64 [N]: a number for each (`grouping.identify`).
        split: object [N]: "train", "validation" or "test".
        group: int64 [N]: duplicates, or pictures of one person, share a number.
        persons_known: whether pictures of one person share a group; otherwise only duplicates do.
        read: the encoded file, or the uint8 [H, W, 3] picture, of an index; safe to call from any thread or process.
        report: what was skipped and why, shared by all subsets.
    """

    names: np.ndarray
    labels: dict[str, np.ndarray]
    identified_by: Literal["contents", "names"]
    identity: np.ndarray
    split: np.ndarray
    group: np.ndarray
    persons_known: bool
    read: Read
    report: DataReport

    def __len__(self) -> int:
        return len(self.names)

    def subset(self, split: str) -> "Collection":
        """The items of one split, in order."""
        return self.take(np.flatnonzero(self.split == split))

    def take(self, indices: np.ndarray) -> "Collection":
        """The items at int [M] indices."""
        read = self.read
        return dataclasses.replace(
            self,
            names=self.names[indices],
            labels={name: values[indices] for name, values in self.labels.items()},
            identity=self.identity[indices],
            split=self.split[indices],
            group=self.group[indices],
            read=lambda index: read(int(indices[index])),
        )

    def for_selection(self, share: float) -> "Collection":
        """The training items alone; a fixed random share of their groups becomes validation, to choose settings by."""
        train = self.subset("train")
        groups = np.unique(train.group)
        chosen = np.random.default_rng(0).permutation(groups)[: max(1, round(share * len(groups)))]
        split = np.where(np.isin(train.group, chosen), "validation", "train").astype(object)
        return dataclasses.replace(train, split=split)


@dataclasses.dataclass(frozen=True)
class Items:
    """What a source provides: pictures and their text cells, not yet parsed.

    Attributes:
        names: [N], unique.
        columns: [N] text cells by column name; "" where there is none.
        read: as in `Collection`.
        report: started by the source, with what it skipped.
        fingerprint: a number that is equal for equal files; used to group and to split items where the source does
            not give the split of every item.
    """

    names: Sequence[str]
    columns: Mapping[str, Sequence[str]]
    read: Read
    report: DataReport
    fingerprint: Callable[[int], int] | None = None


def build_collection(items: Items, attributes: AttributeSet, validation_fraction: float) -> Collection:
    """Parses the labels of all declared attributes, skips bad items, and assigns groups and splits.

    Raises:
        ValueError: a column is missing, a split separates a group, or training or validation has no item.
    """
    names, report = np.asarray(items.names, object), items.report
    wrong: dict[int, str] = {}
    labels = {spec.name: _parse_column(spec, items, wrong) for spec in attributes.all}
    given = _parse_splits(items, wrong)
    for index, reason in wrong.items():
        report.skip(str(names[index]), reason)
    good = np.asarray([index for index in range(len(names)) if index not in wrong], np.int64)
    labels = {name: values[good] for name, values in labels.items()}
    given = given[good]
    contents = _contents(items, good, given)
    columns = [items.columns[column] for column in GROUP_COLUMNS if column in items.columns]
    persons = [[cells[index].strip() for index in good] for cells in columns]
    keys = _undisputed(contents, given)
    if disputed := sum(key != content for key, content in zip(keys, contents, strict=True)):
        report.notes.append(f"{disputed} items have an equal file in another split, as given by the source")
    group = connected_groups([*persons, keys], len(good))
    # Names depend on the folder and on its other files; contents do not.
    identity = identify(contents if any(contents) else names[good].tolist())
    split = assign_splits(names[good], identity, given, group, validation_fraction, report.origin)
    report.count_labels(attributes, labels, split)
    read = items.read
    persons_known = any(column in items.columns for column in PERSON_COLUMNS)
    return Collection(
        names[good],
        labels,
        "contents" if any(contents) else "names",
        identity,
        split,
        group,
        persons_known,
        lambda index: read(int(good[index])),
        report,
    )


def parse_cell(spec: Attribute, text: str) -> float:
    """The label in a text cell: missing if empty; for an attribute with a threshold, a score or a class name.

    Raises:
        ValueError: the text is no value of the attribute.
    """
    text = text.strip()
    if not text:
        return spec.missing
    if isinstance(spec, Categorical) and spec.threshold is not None:
        try:
            score = float(text)
        except ValueError:
            return spec.parse(text)
        if np.isnan(score):
            raise ValueError(f"{spec.name}: got {text!r}; give a score, or leave the cell empty")
        return int(score >= spec.threshold)
    return spec.parse(text)


def cell_text(value: object) -> str:
    """The text cell of a typed value: "" for None and NaN, "1" and "-1" for truth values."""
    if value is None or value != value:
        return ""
    if isinstance(value, bool | np.bool_):
        return "1" if value else "-1"
    return value.decode() if isinstance(value, bytes) else str(value)


def require_column(columns: Mapping[str, Sequence[str]], name: str, origin: str) -> Sequence[str]:
    """The cells of a column.

    Raises:
        ValueError: there is none; names the file and the columns that it has.
    """
    if name not in columns:
        raise ValueError(
            f"no column {name!r} in {origin}; it has: {', '.join(columns)}. Rename the column, or name the right "
            "one in the attribute (column=...)"
        )
    return columns[name]


def _parse_column(spec: Attribute, items: Items, wrong: dict[int, str]) -> np.ndarray:
    """The labels of one attribute, dtype [N]; adds the reasons of wrong cells to `wrong` by index."""
    cells = require_column(items.columns, spec.column or spec.name, items.report.origin)
    parsed: dict[str, float] = {}
    reasons: dict[str, str] = {}
    for text in set(cells):
        try:
            parsed[text] = parse_cell(spec, text)
        except ValueError as error:
            parsed[text], reasons[text] = spec.missing, str(error)
    if reasons:
        for index, text in enumerate(cells):
            if text in reasons:
                wrong.setdefault(index, reasons[text])
    return np.asarray([parsed[text] for text in cells], spec.dtype)


def _parse_splits(items: Items, wrong: dict[int, str]) -> np.ndarray:
    """object [N]: the split that the source gives to each item, "" where none."""
    given = np.full(len(items.names), "", object)
    for index, text in enumerate(items.columns.get(SPLIT_COLUMN, ())):
        try:
            given[index] = normalise_split(text)
        except ValueError as error:
            wrong.setdefault(index, str(error))
    return given


def _contents(items: Items, good: np.ndarray, given: np.ndarray) -> list[str]:
    """Texts that are equal for equal files; empty where the source gives every split, so that no file is read."""
    if items.fingerprint is None or (given != "").all():
        return [""] * len(good)
    return [str(items.fingerprint(int(index))) for index in good]


def _undisputed(contents: Sequence[str], given: np.ndarray) -> list[str]:
    """Group keys of equal files, except those that the source itself puts in different splits."""
    sides: dict[str, set[str]] = {}
    for content, split in zip(contents, given, strict=True):
        sides.setdefault(content, set()).update({split} - {""})
    return [
        "" if split and len(sides[content]) > 1 else content for content, split in zip(contents, given, strict=True)
    ]
