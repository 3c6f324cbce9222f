"""Groups of items (duplicates, one person's pictures), and splits that never divide a group."""

import hashlib
import os
from collections.abc import Sequence

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

_SPLITS = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
    "": "",
}


def normalise_split(text: str) -> str:
    """ "train", "validation" or "test" for the usual spellings; "" for an empty cell.

    Raises:
        ValueError: it is none of them.
    """
    folded = text.strip().casefold()
    if folded not in _SPLITS:
        raise ValueError(f"split: got {text!r}; it is train, validation or test, or empty")
    return _SPLITS[folded]


def connected_groups(keys: Sequence[Sequence[str]], count: int) -> np.ndarray:
    """int64 [count]: items that share a value of any key, directly or through others, get the same number.

    Args:
        keys: each [count]; an empty text joins an item to nothing.
        count: number of items.
    """
    items, nodes, next_node = [], [], count
    for key in keys:
        values = np.asarray(key, str)
        given = np.flatnonzero(values != "")
        unique, codes = np.unique(values[given], return_inverse=True)
        items.append(given)
        nodes.append(codes + next_node)
        next_node += len(unique)
    rows, columns = (np.concatenate([np.empty(0, np.int64), *parts]) for parts in (items, nodes))
    graph = coo_array((np.ones(len(rows)), (rows, columns)), shape=(next_node, next_node))
    return connected_components(graph, directed=False)[1][:count].astype(np.int64)


def identify(texts: Sequence[str]) -> np.ndarray:
    """uint64 [N]: a number for each text that is the same on every machine and in every run."""
    return np.asarray([_number(os.fsencode(text)) for text in texts], np.uint64)


def assign_splits(
    names: np.ndarray,
    identity: np.ndarray,
    given: np.ndarray,
    group: np.ndarray,
    validation_fraction: float,
    origin: str,
) -> np.ndarray:
    """Extends given splits to whole groups; groups without one are divided by a hash of their smallest identity.

    The hash depends on nothing else, so a collection is divided the same way on every machine and in every run, and
    items added later move no other group.

    Args:
        names: object [N], for messages.
        identity: uint64 [N], of `identify`.
        given: object [N]: "train", "validation", "test", or "" where the source gives none.
        group: int [N].
        validation_fraction: share of the groups without a split that goes to validation (at least one group does if
            nothing else is there).
        origin: the collection, for messages.

    Returns:
        object [N].

    Raises:
        ValueError: a given split separates a group, or training or validation is empty.
    """
    split_of = _splits_of_groups(names, given, group)
    first: dict[int, int] = {}
    for number, each in zip(group.tolist(), identity.tolist(), strict=True):
        first[number] = min(first.get(number, each), each)
    # Hashed again, as the smallest of many is small.
    shares = {number: _number(each.to_bytes(8)) / 2**64 for number, each in first.items() if number not in split_of}
    limit = validation_fraction
    if shares and "validation" not in split_of.values():
        limit = max(limit, min(shares.values()))
    for number, share in shares.items():
        split_of[number] = "validation" if share <= limit else "train"
    for part in ("train", "validation"):
        if part not in split_of.values():
            raise ValueError(
                f"{origin} leaves no item for {part} ({len(names)} items in {len(first)} groups); add pictures, "
                "or give some of them that split"
            )
    return np.asarray([split_of[number] for number in group.tolist()], object)


def _splits_of_groups(names: np.ndarray, given: np.ndarray, group: np.ndarray) -> dict[int, str]:
    """The given split of each group that has one."""
    first: dict[int, int] = {}
    for index in np.flatnonzero(given != "").tolist():
        other = first.setdefault(int(group[index]), index)
        if given[other] != given[index]:
            raise ValueError(
                f"the split separates a group: {names[other]} is in {given[other]}, {names[index]} in {given[index]}, "
                "but they are duplicates or one person; put them on one side"
            )
    return {number: given[index] for number, index in first.items()}


def _number(content: bytes) -> int:
    """A uniform number of 64 bits that depends on the bytes alone."""
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest())
