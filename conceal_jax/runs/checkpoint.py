"""Checkpoints: the whole training state, saved asynchronously by Orbax and restored onto this machine's devices.

A checkpoint lies in a folder named by its step, with the checksums of its files. One that was cut off or damaged is
passed over for the newest that is as it was written.
"""

import itertools
import logging
import shutil
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import orbax.checkpoint as ocp
from jax.experimental import multihost_utils
from jaxtyping import PyTree

from conceal_jax.runs import integrity
from conceal_jax.runs.shapes import differing_shapes
from conceal_jax.runtime.distributed import is_leader
from conceal_jax.runtime.parallel import create_mesh, replicated_like

logger = logging.getLogger(__name__)

_STATE = "default"
"""Orbax's name of the folder, within that of a step, that holds the state."""


class CheckpointError(ValueError):
    """A checkpoint cannot be saved, or none can be restored; the message says why, and what to do."""


class Checkpoints:
    """The checkpoints of one stage of a run that this process trains. A context manager; leaving it waits for saves.

    Raises:
        CheckpointError: on leaving, if the last state that was to be saved could not be.
    """

    def __init__(self, directory: Path, keep: int) -> None:
        self._directory = directory.absolute()
        self._saving: int | None = None
        self._failure: str | None = None
        if is_leader():
            _remove_unfinished(self._directory)
        options = ocp.CheckpointManagerOptions(
            max_to_keep=keep,
            enable_async_checkpointing=True,
            async_options=ocp.AsyncOptions(post_finalization_callback=self._seal),
        )
        self._manager = ocp.CheckpointManager(self._directory, options=options)

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._settle()
        self._manager.close()
        if self._failure and kind is None:
            raise CheckpointError(
                f"{self._failure}; free some space, and the same command goes on from the last good one"
            )

    def save(self, step: int, state: PyTree) -> None:
        """Starts saving the state under its step, unless that step is saved already.

        A save that fails, for want of space say, is logged, and training goes on: the next one may succeed.
        """
        self._settle()
        if step == self._manager.latest_step():
            return
        self._saving = step
        # The next step reuses the state's memory while this save is still being written.
        copied = jax.tree.map(jnp.copy, state)
        try:
            self._manager.save(step, args=ocp.args.StandardSave(copied))
        except (OSError, ValueError) as error:
            self._fail(error)

    def restore_latest(self, target: PyTree) -> PyTree | None:
        """The newest state that is as it was saved, placed as `target` (shapes, types and shardings) says.

        Damaged ones that are newer are logged and set aside, as `damaged-STEP`.

        Returns:
            The state; None when nothing was ever saved.

        Raises:
            CheckpointError: all are damaged, or the state has other shapes than the target.
        """
        state, damaged = _restore_newest_good(self._directory, target)
        if is_leader():
            for step in damaged:
                _set_aside(self._directory / str(step))
        if damaged:
            if jax.process_count() > 1:
                multihost_utils.sync_global_devices("damaged checkpoints are set aside")
            self._manager.reload()
        return state

    def _settle(self) -> None:
        """Waits for a save under way."""
        try:
            self._manager.wait_until_finished()
        # Whatever a storage's driver raises: a state in memory is not given up for it.
        except Exception as error:
            self._fail(error)
        else:
            self._failure = None if self._saving is not None else self._failure
        self._saving = None

    def _fail(self, error: Exception) -> None:
        self._failure = (
            f"the checkpoint of step {self._saving} could not be saved in {self._directory}: {_cause(error)}"
        )
        self._saving = None
        logger.error("%s; training goes on, the last good one is kept", self._failure)
        if is_leader():
            _remove_unfinished(self._directory)

    def _seal(self) -> None:
        """Called by Orbax in a thread of its own, before what it wrote gets its final name."""
        if not is_leader():
            return
        for folder in (*_unfinished(self._directory, str(self._saving)), self._directory / str(self._saving)):
            if folder.is_dir():
                integrity.seal(folder, _STATE)


def restore_run(directory: Path, target: PyTree | None = None) -> PyTree:
    """The newest good state of a run's `checkpoints` folder, which is left as it is: the run may be training.

    Args:
        directory: the folder.
        target: shapes, types and shardings of the state; without it, the state is restored as nested dictionaries,
            whatever was saved.

    Raises:
        CheckpointError: there is none, or it has other shapes than the target.
    """
    state, _ = _restore_newest_good(directory.absolute(), target)
    if state is None:
        raise CheckpointError(f"no checkpoint in {directory}; train the run first: conceal train --workdir=...")
    return state


def _restore_newest_good(directory: Path, target: PyTree | None) -> tuple[PyTree | None, list[int]]:
    """The state, and the steps of newer ones that are damaged."""
    names = [path.name for path in directory.iterdir()] if directory.is_dir() else []
    damaged: dict[int, str] = {}
    for step in sorted((int(name) for name in names if name.isdecimal()), reverse=True):
        reason = integrity.damage(directory / str(step))
        if reason is None:
            return _restore(directory / str(step) / _STATE, target), list(damaged)
        damaged[step] = reason
        logger.warning("the checkpoint of step %d in %s is passed over: %s", step, directory, reason)
    if damaged:
        reasons = "; ".join(f"step {step}: {reason}" for step, reason in damaged.items())
        raise CheckpointError(
            f"no checkpoint in {directory} is whole ({reasons}); put a copy in its place, or remove the folder to "
            "train this stage from its start"
        )
    return None, []


def _restore(folder: Path, target: PyTree | None) -> PyTree:
    with ocp.StandardCheckpointer() as checkpointer:
        saved = checkpointer.metadata(folder).item_metadata.tree
        if target is None:
            target = replicated_like(saved, create_mesh())
        _require_shapes(folder, _shapes(saved), _shapes(target))
        return checkpointer.restore(folder, target)


def _shapes(tree: PyTree) -> dict[str, str]:
    leaves = jax.tree_util.tree_leaves_with_path(tree, is_leaf=lambda leaf: hasattr(leaf, "shape"))
    return {_name(path): f"{leaf.dtype}{list(leaf.shape)}" for path, leaf in leaves}


def _name(path: tuple[Any, ...]) -> str:
    """A leaf's path, spelt alike for a state and for a checkpoint's metadata."""
    return "/".join(str(getattr(key, "name", getattr(key, "key", getattr(key, "idx", key)))) for key in path)


def _require_shapes(folder: Path, got: dict[str, str], expected: dict[str, str]) -> None:
    differing = differing_shapes(got, expected)
    if differing:
        raise CheckpointError(
            f"{folder.parent} holds a state of another model ({differing}); give the configuration that it was "
            "trained with (config.json of its run)"
        )


def _unfinished(directory: Path, step: str = "*") -> list[Path]:
    return list(directory.glob(f"{step}.orbax-checkpoint-tmp*"))


def _remove_unfinished(directory: Path) -> None:
    """Frees the space of saves that never came to their end."""
    for folder in _unfinished(directory):
        shutil.rmtree(folder, ignore_errors=True)


def _set_aside(folder: Path) -> None:
    names = (folder.with_name(f"damaged-{folder.name}{suffix}") for suffix in ("", *(f"-{n}" for n in range(2, 1000))))
    folder.rename(next(itertools.dropwhile(Path.exists, names)))


def _cause(error: Exception) -> str:
    """The first line of a driver's message, which may have hundreds."""
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0][:400]}"
