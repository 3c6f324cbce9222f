"""Undeclared attributes: label columns that no attribute declares, and that hiding others may have exposed."""

import re
from collections.abc import Collection as Container
from collections.abc import Sequence

import numpy as np

from conceal_jax.attributes import Attribute, AttributeSet, Categorical, Continuous
from conceal_jax.attributes.appearance import APPEARANCE
from conceal_jax.data.collection import GROUP_COLUMNS, SPLIT_COLUMN, Items
from conceal_jax.data.labels.table import FILE_COLUMNS

MAX_CLASSES = 20
NOT_ATTRIBUTES = frozenset({*FILE_COLUMNS, *GROUP_COLUMNS, SPLIT_COLUMN, "label_conflict", "service_test"})
"""Columns about the file, the split, or the labelling, not about the face."""


def undeclared_attributes(items: Items, declared: AttributeSet) -> tuple[Attribute, ...]:
    """Specifications of the label columns that no declared attribute reads, in the order of the columns.

    The cells of a column decide its kind; empty ones are missing labels.

    - Numbers from 0 to 1, or -1 and 1: a score or flag, with the classes "no" and "yes" (from the middle on).
    - 2 to 20 different whole numbers or texts: the classes. Numbers may be codes, so they are classes, not values.
    - Other numbers: values, with the range that they span.

    Left out are columns in `NOT_ATTRIBUTES`; columns where all labels fall into one class; whole numbers that are
    all different (a running number); more than 20 different texts; columns with the same cells as another one, such as
    ethnicity and race.

    A specification parses every cell of its column: reading these attributes makes no item unusable. Its name is the
    column's, with underscores for what a name cannot hold.
    """
    read = {spec.column or spec.name for spec in declared.all}
    # Of columns with equal cells a declared one comes first, then the shortest name: Smiling, not attributes/Smiling.
    first: dict[tuple[str, ...], str] = {}
    for column in sorted(items.columns, key=lambda column: (column not in read, len(column))):
        first.setdefault(tuple(items.columns[column]), column)
    # Attributes measured in pictures have names, too.
    names = {spec.name for spec in (*declared.all, *APPEARANCE)}
    specs: list[Attribute] = []
    for column, cells in items.columns.items():
        if column in read | NOT_ATTRIBUTES or first[tuple(cells)] != column:
            continue
        spec = _specify(_name(column, names), column, cells)
        if spec is not None:
            specs.append(spec)
            names.add(spec.name)
    return tuple(specs)


def _name(column: str, taken: Container[str]) -> str:
    """The column's name as an identifier that is not taken."""
    name = re.sub(r"\W", "_", column)
    if not name.isidentifier():
        name = f"_{name}"
    while name in taken:
        name += "_"
    return name


def _specify(name: str, column: str, cells: Sequence[str]) -> Attribute | None:
    """The specification of a column, or None if it is not an attribute."""
    known = [text for text in map(str.strip, cells) if text]
    texts = sorted(set(known))
    values = _numbers(texts)
    if values is not None and len(values):
        if values.min() >= 0 and values.max() <= 1:
            return _score(name, column, values, threshold=0.5)
        if set(values.tolist()) == {-1.0, 1.0}:
            return _score(name, column, values, threshold=0.0)
        whole = all(text.lstrip("+-").isdecimal() for text in texts)
        if not whole or len(texts) > MAX_CLASSES:
            numbering = whole and len(texts) == len(known)
            return None if numbering or len(set(values)) < 2 else _value(name, column, values)
    # Class names are compared without case, so "Yes" and "yes" are one.
    classes = tuple({text.casefold(): text for text in reversed(texts)}.values())[::-1]
    return Categorical(name, classes, column) if 2 <= len(classes) <= MAX_CLASSES else None


def _score(name: str, column: str, values: np.ndarray, threshold: float) -> Attribute | None:
    yes = values >= threshold
    return Categorical(name, ("no", "yes"), column, threshold) if yes.any() and not yes.all() else None


def _value(name: str, column: str, values: np.ndarray) -> Attribute:
    return Continuous(name, float(values.min()), float(values.max()), column=column)


def _numbers(texts: Sequence[str]) -> np.ndarray | None:
    """float64 values of the texts, or None if any is not a finite number."""
    try:
        values = np.asarray([float(text) for text in texts])
    except ValueError:
        return None
    return values if np.isfinite(values).all() else None
