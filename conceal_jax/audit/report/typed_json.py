"""Dataclasses to and from JSON: all fields are written, and these, no more and no fewer, must be there to be read."""

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from typing import Any, Literal, Union


def written(value: Any, decimals: int | None = None) -> Any:
    """The tree of a value for strict JSON: floats rounded to `decimals`, and null for what is no finite number."""
    if dataclasses.is_dataclass(value):
        return {field.name: written(getattr(value, field.name), decimals) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {key: written(each, decimals) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [written(each, decimals) for each in value]
    if isinstance(value, bool | int | str) or value is None:
        return value
    if not math.isfinite(value):
        return None
    return float(value) if decimals is None else round(float(value), decimals)


def read(kind: Any, tree: Any, where: str) -> Any:
    """The value of a type that `written` made a tree of.

    Args:
        kind: a dataclass, or the type of a field: number, text, `dict`, `tuple`, `Literal`, or one of these or None.
        tree: as JSON gives it; null for a float is NaN.
        where: names the value in messages.

    Raises:
        ValueError: a field is unknown or missing, or a value has another type; names it.
    """
    if dataclasses.is_dataclass(kind):
        return _read_fields(typing.cast(type, kind), tree, where)
    form, parts = typing.get_origin(kind), typing.get_args(kind)
    if form in (Union, types.UnionType):
        return None if tree is None else read(parts[0], tree, where)
    if form is dict and isinstance(tree, dict):
        return {read(parts[0], key, where): read(parts[1], each, f"{where}.{key}") for key, each in tree.items()}
    if form is tuple and isinstance(tree, list) and (parts[-1] is ... or len(tree) == len(parts)):
        return tuple(read(parts[0], each, f"{where}[{index}]") for index, each in enumerate(tree))
    if form is Literal and tree in parts:
        return tree
    if kind is float and (tree is None or type(tree) in (int, float)):
        return math.nan if tree is None else float(tree)
    if type(tree) is not kind:
        raise ValueError(f"{where} is {tree!r}; expected {kind.__name__ if form is None else kind}")
    return tree


def _read_fields(kind: type, tree: Any, where: str) -> Any:
    if not isinstance(tree, dict):
        raise ValueError(f"{where} is {tree!r}; expected an object with fields")
    hints = typing.get_type_hints(kind)
    names = [field.name for field in dataclasses.fields(kind)]
    for what, strange in (("lacks", set(names) - tree.keys()), ("has unknown", tree.keys() - set(names))):
        if strange:
            raise ValueError(f"{where} {what} {', '.join(sorted(strange))}; write the report again")
    return kind(**{name: read(hints[name], tree[name], f"{where}.{name}") for name in names})
