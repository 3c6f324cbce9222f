"""Reading and writing configurations: files with a `get_config()`, overrides as text, and the `config.json` of a run.

A configuration is a Python file with a `get_config()` that returns a `Config`. `load_config` reads one, applies
overrides such as `{"model.latent_dim": "64"}` and validates the result. The strict reader `from_tree` also serves the
`config.json` of a run.
"""

import ast
import dataclasses
import difflib
import json
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Union

from conceal_jax.attributes import AttributeSet
from conceal_jax.attributes import attribute_set as attributes
from conceal_jax.config import Config, shipped, shrunken
from conceal_jax.config.validation import require, validate
from conceal_jax.runtime import atomic
from conceal_jax.version import __version__


def load_config(name: str, overrides: Mapping[str, str] | None = None) -> Config:
    """Reads a configuration, applies overrides and validates.

    Args:
        name: of a shipped configuration, such as "demo", or the path of a Python file with a `get_config()`;
            "NAME:shrunken" asks for its shrunken variant.
        overrides: values as text by dotted name, for example {"model.latent_dim": "64"}.

    Raises:
        ValueError: there is no such configuration, an override names no field or does not fit it, or the result is
            not a valid configuration.
    """
    file, _, variant = name.partition(":")
    if variant not in ("", "shrunken"):
        raise ValueError(f"got the variant {variant!r} in {name!r}; write {file} or {file}:shrunken")
    config = read_config(file)
    return validate(override(shrunken(config) if variant else config, overrides or {}))


def read_config(name: str) -> Config:
    """A configuration as its file has it, for another one to be built on: without overrides, and not validated.

    Raises:
        ValueError: there is no such configuration.
    """
    config: Config = shipped.read_function(name, "get_config", "conceal_jax.config.Config")()
    return config


def override(config: Config, overrides: Mapping[str, str]) -> Config:
    """The configuration with some fields replaced by values given as text; see `load_config`."""
    tree = to_tree(config)
    for name, text in overrides.items():
        *sections, field = name.split(".")
        node = tree
        for section in sections:
            _require_field(section, node, name)
            node = node[section]
        _require_field(field, node, name)
        if isinstance(node[field], dict):
            raise ValueError(f"config.{name} is a section; override one of its fields: {', '.join(node[field])}")
        # A folder may be called 2024.
        node[field] = text if isinstance(node[field], str) else _parse_text(text)
    return from_tree(tree)


def to_tree(config: Config) -> dict[str, Any]:
    """The configuration as a JSON-ready tree."""
    tree = {
        field.name: dataclasses.asdict(getattr(config, field.name))
        for field in dataclasses.fields(config)
        if dataclasses.is_dataclass(getattr(config, field.name))
    }
    return {**tree, "seed": config.seed, "attributes": attributes.to_tree(config.attributes)}


def from_tree(tree: Mapping[str, Any]) -> Config:
    """The configuration that `to_tree` wrote.

    Raises:
        ValueError: a field is unknown or its value has the wrong type; the message names the field.
    """
    return _read_dataclass(Config, tree, "config")


def save(config: Config, path: Path) -> None:
    """Writes the resolved configuration as JSON, with the version that wrote it."""
    atomic.write_text(path, json.dumps({"version": __version__, **to_tree(config)}, indent=2))


def load(path: Path) -> Config:
    """Reads what `save` wrote.

    Raises:
        ValueError: the file is missing, is not JSON, or is not a configuration of this version.
    """
    if not path.is_file():
        raise ValueError(f"no {path.name} in {path.parent}; give a run directory that `conceal train` wrote")
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not JSON ({error}); restore it or train the run again") from error
    if not isinstance(tree, dict):
        raise ValueError(f"{path} holds {type(tree).__name__}, not a configuration; train the run again")
    version = tree.pop("version", None)
    try:
        return from_tree(tree)
    except ValueError as error:
        if version == __version__:
            raise
        raise ValueError(f"{path} was written by version {version}, this is {__version__}: {error}") from error


def differences(first: Config, second: Config) -> dict[str, tuple[Any, Any]]:
    """The dotted names of the fields in which two configurations differ, with both values."""
    left, right = (dict(_leaves(json.loads(json.dumps(to_tree(config))))) for config in (first, second))
    return {
        name: (left.get(name), right.get(name)) for name in sorted({*left, *right}) if left.get(name) != right.get(name)
    }


def _require_field(field: str, node: Any, name: str) -> None:
    if not isinstance(node, Mapping) or field not in node:
        near = difflib.get_close_matches(field, node, n=1) if isinstance(node, Mapping) else []
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"unknown configuration field {field!r} in config.{name}{hint}")


def _parse_text(text: str) -> Any:
    """A Python literal where the text is one (numbers, None, True, tuples), else the text itself."""
    try:
        return ast.literal_eval(text)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return text


def _leaves(tree: Any, prefix: str = "") -> list[tuple[str, Any]]:
    if not isinstance(tree, dict):
        return [(prefix, tree)]
    return [leaf for key, value in tree.items() for leaf in _leaves(value, f"{prefix}.{key}" if prefix else key)]


def _read_dataclass(cls: type, tree: Any, where: str) -> Any:
    require(isinstance(tree, Mapping), f"{where} is {tree!r}; expected a section with fields")
    hints = typing.get_type_hints(cls)
    for field in tree:
        _require_field(field, hints, f"{where}.{field}".removeprefix("config."))
    absent = [field.name for field in dataclasses.fields(cls) if _is_required(field) and field.name not in tree]
    require(not absent, f"{where} lacks {', '.join(absent)}; restore the file or train the run again")
    return cls(**{field: _read_value(hints[field], value, f"{where}.{field}") for field, value in tree.items()})


def _is_required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _read_value(hint: Any, value: Any, where: str) -> Any:
    if hint is AttributeSet:
        return AttributeSet.from_json(json.dumps(value))
    if dataclasses.is_dataclass(hint):
        return _read_dataclass(typing.cast(type, hint), value, where)
    if typing.get_origin(hint) is tuple and isinstance(value, list | tuple):
        element = typing.get_args(hint)[0]
        return tuple(_read_value(element, item, where) for item in value)
    if hint is float and type(value) is int:
        return float(value)
    if typing.get_origin(hint) in (Union, types.UnionType):
        return None if value is None else _read_value(typing.get_args(hint)[0], value, where)
    allowed = typing.get_args(hint) if typing.get_origin(hint) is Literal else None
    require(allowed is None or value in (allowed or ()), f"{where}={value!r}; allowed are {allowed}")
    require(allowed is not None or type(value) is hint, f"{where}={value!r}; expected {_describe(hint)}")
    return value


def _describe(hint: Any) -> str:
    return hint.__name__ if isinstance(hint, type) and not typing.get_args(hint) else str(hint)
