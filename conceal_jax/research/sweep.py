"""A sweep: which models are trained and audited, and its directory, in which it goes on where it stopped.

A sweep is described by a Python file with a `get_sweep()` that returns a `Sweep`. The directory holds `sweep.json`, the
members; `members/NAME.npz`, parameters and codes of the pictures; `members/NAME.json`, its figures; and the
tables and curves.
"""

import dataclasses
import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict
from jaxtyping import PyTree

from conceal_jax.audit.examples import Posterior
from conceal_jax.audit.release_file import read_arrays
from conceal_jax.config import Config, shipped
from conceal_jax.config import files as config_files
from conceal_jax.config.validation import require, validate
from conceal_jax.models.bottleneck import create_bottleneck
from conceal_jax.research.audits import Codes
from conceal_jax.research.figures import Result, Row, member_name
from conceal_jax.research.members import Encoded, shape_of
from conceal_jax.runtime import atomic
from conceal_jax.runtime.json_files import named_errors, read_object
from conceal_jax.version import __version__

SWEEP = "sweep.json"
MEMBERS = "members"
PARAMETERS = "params/"


@dataclasses.dataclass(frozen=True)
class Sweep:
    """What is tried.

    Attributes:
        base: what all members share; without a censor.
        settings: by dotted name, the fields in which members differ from it; see `grid` and `random_search`.
        seeds: each setting is trained with every one; they decide parameters, noise and order, but not the data.
        full_seeds: with how many of them a setting on the front is audited by the full suite.
    """

    base: Config
    settings: tuple[Mapping[str, Any], ...]
    seeds: tuple[int, ...] = (0, 1, 2)
    full_seeds: int = 1

    def members(self) -> dict[str, Config]:
        """The configuration of every member by its name.

        Raises:
            ValueError: there is no setting or no seed, a field is unknown, or a member is no valid configuration.
        """
        require(bool(self.settings and self.seeds), "a sweep without settings, or without seeds; give one or more")
        require(not self.base.censor.steps, "a sweep trains the bare method and penalties; set censor.steps=0")
        described = {}
        for setting, seed in itertools.product(range(len(self.settings)), self.seeds):
            overrides = {name: _text(value) for name, value in self.settings[setting].items()}
            config = validate(config_files.override(self.base, {**overrides, "seed": str(seed)}))
            # An unregistered name is better found now than by the last group.
            create_bottleneck(config.model)
            described[member_name(setting, seed)] = config
        return described

    def result(self, name: str, failure: str, rows: Sequence[Row]) -> Result:
        """What came of a member."""
        number, seed = name.split("-seed")
        return Result(int(number), int(seed), self.settings[int(number)], failure, tuple(rows))


def _text(value: Any) -> str:
    """As `config_files.override` reads it; NumPy's numbers as Python's."""
    return value if isinstance(value, str) else repr(value.item() if isinstance(value, np.generic) else value)


def grid(axes: Mapping[str, Sequence[Any]]) -> tuple[dict[str, Any], ...]:
    """Every combination of values, by dotted name of the field."""
    return tuple(dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values()))


@dataclasses.dataclass(frozen=True)
class LogUniform:
    """Numbers between two limits above 0, each order of magnitude as likely as another."""

    low: float
    high: float


def random_search(
    axes: Mapping[str, Sequence[Any] | LogUniform], count: int, seed: int = 0
) -> tuple[dict[str, Any], ...]:
    """So many settings drawn at random: of a sequence, one of its values."""
    generator = np.random.default_rng(seed)

    def draw(axis: Sequence[Any] | LogUniform) -> Any:
        if isinstance(axis, LogUniform):
            return float(np.exp(generator.uniform(np.log(axis.low), np.log(axis.high))))
        return axis[int(generator.integers(len(axis)))]

    return tuple({name: draw(axis) for name, axis in axes.items()} for _ in range(count))


def load_sweep(name: str, overrides: Mapping[str, str] | None = None) -> Sweep:
    """Reads a sweep.

    Args:
        name: of a shipped sweep, such as "sweep_demo", or the path of a Python file with a `get_sweep()`.
        overrides: of the base configuration, values as text by dotted name.

    Raises:
        ValueError: there is no such sweep, or an override does not fit.
    """
    sweep: Sweep = shipped.read_function(name, "get_sweep", "conceal_jax.research.sweep.Sweep")()
    return dataclasses.replace(sweep, base=config_files.override(sweep.base, overrides or {}))


def groups(members: Mapping[str, Config]) -> list[list[str]]:
    """Names of members that can train in one program, in the order of their first."""
    found: dict[Any, list[str]] = {}
    for name, config in members.items():
        found.setdefault(shape_of(config), []).append(name)
    return list(found.values())


@dataclasses.dataclass(frozen=True)
class Directory:
    """What a sweep has written so far. A file is there whole or not at all.

    Whatever reads one raises a `ValueError` that names it, if somebody has damaged it since.
    """

    path: Path

    def open(self, members: Mapping[str, Config]) -> None:
        """Makes the directory, or checks that it is this sweep's.

        Raises:
            ValueError: it holds another sweep, or what says which is damaged.
        """
        (self.path / MEMBERS).mkdir(parents=True, exist_ok=True)
        trees = {name: config_files.to_tree(config) for name, config in members.items()}
        text, file = json.dumps({"version": __version__, "members": trees}, indent=1), self.path / SWEEP
        if file.is_file() and read_object(file).get("members") != json.loads(text)["members"]:
            raise ValueError(f"{self.path} holds another sweep; give another directory, or remove this one")
        atomic.write_text(file, text)

    def is_trained(self, name: str) -> bool:
        """Whether a member is trained, or has failed for good."""
        rows, failure = self._record(name)
        return bool(failure or (rows and self._arrays(name).is_file()))

    def save_trained(self, name: str, rows: Sequence[Row], params: PyTree, encoded: tuple[Encoded, Encoded]) -> None:
        """Keeps a member's first figures, parameters, and codes of those learned from and those judged."""
        # Figures that a killed process left without parameters are replaced.
        self._write(name, rows, "")
        arrays = {PARAMETERS + key: leaf for key, leaf in flatten_dict(params, sep="/").items()}
        for part, each in zip(("train", "test"), encoded, strict=True):
            arrays |= {
                f"{part}/codes": each.codes,
                f"{part}/mean": each.mean,
                f"{part}/std": np.exp(each.log_variance / 2),
            }
        file = self._arrays(name)
        unfinished = file.with_suffix(".part")
        with unfinished.open("wb") as stream:
            np.savez(stream, **arrays)
        unfinished.replace(file)

    def params(self, name: str) -> PyTree:
        """A member's averaged parameters."""
        arrays = read_arrays(self._arrays(name))
        flat = {key.removeprefix(PARAMETERS): each for key, each in arrays.items() if key.startswith(PARAMETERS)}
        return unflatten_dict(flat, sep="/")

    def codes(self, name: str, finite: bool) -> tuple[Codes, Codes]:
        """Codes of those learned from and those judged; their posteriors where nothing was rounded afterwards."""
        arrays = read_arrays(self._arrays(name))
        with named_errors(self._arrays(name)):
            train, test = (
                Codes(
                    arrays[f"{part}/codes"],
                    None if finite else Posterior(arrays[f"{part}/mean"], arrays[f"{part}/std"]),
                )
                for part in ("train", "test")
            )
        return train, test

    def rows(self, name: str) -> list[Row]:
        """A member's figures so far."""
        return self._record(name)[0]

    def add_rows(self, name: str, rows: Sequence[Row]) -> None:
        """Keeps further figures of a member."""
        self._write(name, [*self.rows(name), *rows], self.failure(name))

    def failure(self, name: str) -> str:
        """Why a member failed; empty if it did not."""
        return self._record(name)[1]

    def fail(self, name: str, reason: str) -> None:
        """Records that a member failed. Without its file it would be tried again."""
        self._write(name, self.rows(name), reason)

    def _record(self, name: str) -> tuple[list[Row], str]:
        file = self._file(name)
        if not file.is_file():
            return [], ""
        record = read_object(file)
        with named_errors(file):
            return [Row(**each) for each in record["rows"]], str(record["failure"])

    def _write(self, name: str, rows: Sequence[Row], failure: str) -> None:
        record = {"failure": failure, "rows": [dataclasses.asdict(each) for each in rows]}
        atomic.write_text(self._file(name), json.dumps(record))

    def _file(self, name: str) -> Path:
        return self.path / MEMBERS / f"{name}.json"

    def _arrays(self, name: str) -> Path:
        return self.path / MEMBERS / f"{name}.npz"
