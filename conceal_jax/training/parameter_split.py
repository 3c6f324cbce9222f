"""Parts of a tree of parameters: what a stage of training changes, and what it leaves alone."""

from collections.abc import Callable
from typing import Any

from flax.traverse_util import flatten_dict, unflatten_dict
from jaxtyping import PyTree

Path = tuple[str, ...]


def divided(params: PyTree, is_trained: Callable[[Path], bool]) -> tuple[PyTree, PyTree]:
    """The parameters whose path is trained, and all others."""
    flat: dict[Path, Any] = flatten_dict(params)
    trained = {path: leaf for path, leaf in flat.items() if is_trained(path)}
    frozen = {path: leaf for path, leaf in flat.items() if not is_trained(path)}
    return unflatten_dict(trained), unflatten_dict(frozen)


def joined(frozen: PyTree, trained: PyTree) -> PyTree:
    """The inverse of `divided`."""
    return unflatten_dict({**flatten_dict(frozen), **flatten_dict(trained)})
