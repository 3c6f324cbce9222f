"""Groups of items that belong together (duplicates, one person's pictures), and splits that never divide one."""

import hashlib
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
        told = np.flatnonzero(values != "")
        unique, codes = np.unique(values[told], return_inverse=True)
        items.append(told)
        nodes.append(codes + next_node)
        next_node += len(unique)
    rows, columns = (np.concatenate([np.empty(0, np.int64), *parts]) for parts in (items, nodes))
    graph = coo_array((np.ones(len(rows)), (rows, columns)), shape=(next_node, next_node))
    return connected_components(graph, directed=False)[1][:count].astype(np.int64)


def assign_splits(
    names: np.ndarray, given: np.ndarray, group: np.ndarray, validation_fraction: float, origin: str
) -> np.ndarray:
    """Extends given splits to whole groups; groups without one are divided by a hash of their first name.

    The hash depends on names only, so a collection is divided the same way on every machine and in every run, and
    items added later move no other group.

    Args:
        names: object [N].
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
    split_of, first_name = _splits_of_groups(names, given, group)
    open_groups = [number for number in first_name if number not in split_of]
    shares = {number: _hash_to_unit(first_name[number]) for number in open_groups}
    limit = validation_fraction
    if shares and "validation" not in split_of.values():
        limit = max(limit, min(shares.values()))
    for number, share in shares.items():
        split_of[number] = "validation" if share <= limit else "train"
    for part in ("train", "validation"):
        if part not in split_of.values():
            raise ValueError(
                f"{origin} leaves no item for {part} ({len(names)} items in {len(first_name)} groups); add pictures, "
                "or give some of them that split"
            )
    return np.asarray([split_of[number] for number in group.tolist()], object)


def _splits_of_groups(names: np.ndarray, given: np.ndarray, group: np.ndarray) -> tuple[dict[int, str], dict[int, str]]:
    """The given split, where there is one, and the alphabetically first name of each group."""
    first_name: dict[int, str] = {}
    teller: dict[int, int] = {}
    for index, number in enumerate(group.tolist()):
        first_name[number] = min(first_name.get(number, names[index]), names[index])
        if not given[index]:
            continue
        other = teller.setdefault(number, index)
        if given[other] != given[index]:
            raise ValueError(
                f"the split separates a group: {names[other]} is in {given[other]}, {names[index]} in {given[index]}, "
                "but they are duplicates or one person; put them on one side"
            )
    return {number: given[index] for number, index in teller.items()}, first_name


def _hash_to_unit(text: str) -> float:
    """A uniform number in [0, 1) that depends on the text alone."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=6).digest()) / 2**48
