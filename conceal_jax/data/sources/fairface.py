"""FairFace: faces balanced over seven groups, with ages as groups (Karkkainen, Joo 2021)."""

import dataclasses
import re
from collections.abc import Iterable

from conceal_jax.attributes import AttributeSet, Continuous
from conceal_jax.data.archive import Archive
from conceal_jax.data.collection import Items
from conceal_jax.data.labels.table import Table, parse_csv, read_beside, read_table
from conceal_jax.data.sources.folder import read_folder

LABEL_FILES = ("fairface_label_train.csv", "fairface_label_val.csv", "labels.csv")
AGE_GROUPS = ("0-2", "3-9", "10-19", "20-29", "30-39", "40-49", "50-59", "60-69", "70+")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


def read_fairface(archive: Archive, labels: str, attributes: AttributeSet) -> Items:
    """Reads file, age, gender and race; the first folder of a file name, train or val, is its split.

    Args:
        archive: holds the pictures as train/1.jpg and so on.
        labels: a CSV that lists them; if empty, those of `LABEL_FILES` that lie in the archive or beside it.
        attributes: an age among them must be declared with the nine groups.

    Raises:
        ValueError: there is no label file, or age is declared as continuous.
    """
    for spec in attributes.all:
        if isinstance(spec, Continuous) and (spec.column or spec.name) == "age":
            raise ValueError(
                f"{spec.name} is declared as continuous, but FairFace has age groups; declare "
                f"Categorical({spec.name!r}, {AGE_GROUPS})"
            )
    table = read_table(labels, archive) if labels else _find_labels(archive)
    columns = {**table.columns, "split": [_split_of(name) for name in table.file_names()]}
    if "age" in columns:
        columns["age"] = [repair_age_group(text) for text in columns["age"]]
    return read_folder(archive, dataclasses.replace(table, columns=columns))


def repair_age_group(text: str) -> str:
    """The age group as one of `AGE_GROUPS`, also where a spreadsheet made a date of it; other text stays as it is.

    >>> repair_age_group("03-Sep"), repair_age_group("Oct-19"), repair_age_group("more than 70")
    ('3-9', '10-19', '70+')
    """
    if text.strip().casefold() == "more than 70":
        return "70+"
    numbers = [_number(part) for part in re.split(r"[-\s/]+", text.strip().casefold())]
    group = "-".join(map(str, sorted(number for number in numbers if number is not None)))
    return group if len(numbers) == 2 and group in AGE_GROUPS else text


def _number(part: str) -> int | None:
    month = part[:3]
    if month in _MONTHS:
        return _MONTHS.index(month) + 1
    return int(part) if part.isdecimal() and len(part) <= 3 else None


def _find_labels(archive: Archive) -> Table:
    texts = {name: read_beside(archive, name) for name in LABEL_FILES}
    tables = [parse_csv(text, name) for name, text in texts.items() if text is not None]
    if not tables:
        raise ValueError(
            f"none of {', '.join(LABEL_FILES)} lies in {archive.origin} or beside it; put the label files of "
            "FairFace there, or give one with data.labels"
        )
    return _concatenate(tables)


def _concatenate(tables: Iterable[Table]) -> Table:
    first, *others = tables
    for other in others:
        first = Table(
            f"{first.origin} and {other.origin}",
            {name: cells + other.column(name) for name, cells in first.columns.items()},
            {**first.bad_rows, **other.bad_rows},
        )
    return first


def _split_of(name: str) -> str:
    folder = name.strip().removeprefix("./").partition("/")[0]
    return {"train": "train", "val": "validation"}.get(folder, "")
