"""The parameters of a trained model, as one safetensors file: all that inference needs, and nothing that only training
uses.

Arrays are named by their path in the model, joined by "/". The file's metadata say from which step and stage they are,
which version wrote them, and the SHA-256 of their values.
"""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict
from jaxtyping import PyTree
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from conceal_jax.config import Config
from conceal_jax.models.vae import create_model, init_params
from conceal_jax.runs.shapes import differing_shapes
from conceal_jax.version import __version__


class Parameters(NamedTuple):
    """What a file holds.

    Attributes:
        values: the model's parameters, float32 arrays on the host.
        step: of the stage, after which they were saved.
        stage: the stage's name.
    """

    values: PyTree
    step: int
    stage: str


def save_parameters(path: Path, params: PyTree, config: Config, *, step: int, stage: str) -> None:
    """Writes those parameters that the model of a configuration has; others, such as a reader's, are left out.

    The file is replaced as a whole: a reader sees the old one or the new one.

    Args:
        path: of the file.
        params: of the model, and possibly of parts that only training uses.
        config: of the run.
        step, stage: see `Parameters`.

    Raises:
        ValueError: a parameter of the model is missing, or has another shape or type.
        OSError: the file cannot be written.
    """
    expected, given = _expected(config), flatten_dict(params, sep="/")
    arrays = {name: np.asarray(given[name], order="C") for name in expected if name in given}
    _require_model(path, arrays, expected)
    metadata = {"step": str(step), "stage": stage, "version": __version__, "sha256": _digest(arrays)}
    part = path.with_name(f"{path.name}.part")
    try:
        save_file(arrays, part, metadata)
    except SafetensorError as error:
        raise OSError(f"{path} could not be written ({error})") from error
    with part.open("rb") as file:
        # Otherwise a power cut may leave the new name with no content.
        os.fsync(file.fileno())
    part.replace(path)


def read_parameters(path: Path, config: Config) -> Parameters:
    """Reads what `save_parameters` wrote.

    Raises:
        ValueError: the file is missing or damaged, or holds the parameters of another model.
    """
    if not path.is_file():
        raise ValueError(
            f"no {path.name} in {path.parent}; train the run to its end or, where it has checkpoints of its last "
            f"stage, write the file from the newest one: conceal upgrade {path.parent}"
        )
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        step, stage, digest = int(metadata["step"]), metadata["stage"], metadata["sha256"]
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(_damaged(path, f"{type(error).__name__}: {error}")) from error
    _require_model(path, arrays, _expected(config))
    if digest != _digest(arrays):
        raise ValueError(_damaged(path, "its values are not those of its SHA-256"))
    return Parameters(unflatten_dict(arrays, sep="/"), step, stage)


def _expected(config: Config) -> dict[str, Any]:
    """Shapes and types by name, of the model that is released."""
    model = create_model(config)
    tree = jax.eval_shape(lambda key: init_params(model, config, key), jax.random.key(0))
    return dict(flatten_dict(tree, sep="/"))


def _require_model(path: Path, arrays: dict[str, np.ndarray], expected: dict[str, Any]) -> None:
    differing = differing_shapes(_shapes(arrays), _shapes(expected))
    if differing:
        raise ValueError(
            f"{path} holds the parameters of another model than config.json describes ({differing}); restore both "
            "files of one run"
        )


def _shapes(arrays: Mapping[str, Any]) -> dict[str, str]:
    return {name: f"{leaf.dtype}{list(leaf.shape)}" for name, leaf in arrays.items()}


def _damaged(path: Path, reason: str) -> str:
    return f"{path} is damaged ({reason}); restore it, or write it from a checkpoint: conceal upgrade {path.parent}"


def _digest(arrays: dict[str, np.ndarray]) -> str:
    digest = hashlib.sha256()
    for name in sorted(arrays):
        digest.update(f"{name} {arrays[name].dtype} {arrays[name].shape}".encode())
        digest.update(arrays[name].tobytes())
    return digest.hexdigest()
