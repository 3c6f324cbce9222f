"""Checkpoints: the whole training state, saved asynchronously by Orbax and restored onto this machine's devices."""

from pathlib import Path

import jax
import jax.numpy as jnp
import orbax.checkpoint as ocp
from jaxtyping import PyTree


class Checkpoints:
    """The checkpoints of one run. A context manager; leaving it waits for saves under way."""

    def __init__(self, directory: Path, keep: int) -> None:
        options = ocp.CheckpointManagerOptions(max_to_keep=keep, enable_async_checkpointing=True)
        self._manager = ocp.CheckpointManager(directory.absolute(), options=options)

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, *_: object) -> None:
        self._manager.close()

    def save(self, step: int, state: PyTree) -> None:
        """Starts saving the state under its step, unless that step is saved already."""
        if step != self._manager.latest_step():
            # The next step reuses the state's memory while this save is still being written.
            copied = jax.tree.map(jnp.copy, state)
            self._manager.save(step, args=ocp.args.StandardSave(copied))

    def restore_latest(self, target: PyTree) -> PyTree | None:
        """The newest saved state, placed as `target` (shapes, types and shardings) says; None when there is none."""
        step = self._manager.latest_step()
        if step is None:
            return None
        return self._manager.restore(step, args=ocp.args.StandardRestore(target))


def restore_run(directory: Path, target: PyTree) -> PyTree:
    """The newest state of a run's `checkpoints` folder.

    Raises:
        ValueError: there is none.
    """
    if directory.is_dir():
        with Checkpoints(directory, keep=1000) as checkpoints:
            state = checkpoints.restore_latest(target)
        if state is not None:
            return state
    raise ValueError(f"no checkpoint in {directory}; train the run first: python train.py --workdir=...")
