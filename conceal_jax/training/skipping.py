"""Batches that are left out because the loss was not finite on them."""

import json
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp

from conceal_jax.config.schema import MAX_SKIPPED_IN_A_ROW
from conceal_jax.runtime import atomic
from conceal_jax.runtime.distributed import is_leader
from conceal_jax.runtime.errors import NonFiniteError
from conceal_jax.runtime.parallel import Compilation
from conceal_jax.training.feed import Feed
from conceal_jax.training.metrics import Sums
from conceal_jax.training.state import TrainState


class SkippedSteps:
    """The steps of a stage whose batches are left out, kept in a file so that a run that resumes leaves out the same.

    Raises:
        ValueError: the file is none of this form.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._steps = _read(path) if path.exists() else set()

    def __contains__(self, step: int) -> bool:
        return step in self._steps

    def add(self, error: NonFiniteError) -> None:
        """Leaves out the step at which the loss was not finite.

        Raises:
            NonFiniteError: the given one, where the steps before were left out already.
        """
        if all(error.step - back in self._steps for back in range(1, MAX_SKIPPED_IN_A_ROW + 1)):
            raise error
        self._steps.add(error.step)
        if is_leader():
            atomic.write_text(self._path, json.dumps(sorted(self._steps)))

    def figures(self, step: int) -> dict[str, float]:
        """For the metrics: how many were left out before this step, if any ever was."""
        return {"skipped_batches": float(sum(each < step for each in self._steps))} if self._steps else {}

    def next_after(self, step: int, otherwise: int) -> int:
        """The first that comes after this step."""
        return min((each for each in self._steps if each > step), default=otherwise)


class SkippingFeed:
    """A feed whose skipped steps change nothing but the step."""

    def __init__(self, feed: Feed, skipped: SkippedSteps) -> None:
        self._feed, self._skipped = feed, skipped
        self._copy = jax.jit(lambda state: jax.tree.map(jnp.copy, state))
        self._pass: Callable[[TrainState], TrainState] = jax.jit(lambda state: state.replace(step=state.step + 1))
        # What is not used would be left out, and with it the devices that it is on.
        self._nothing = jax.jit(Sums.zeros_like, keep_unused=True)

    def compile(self, state: TrainState, step: int) -> Compilation:
        """See `Feed.compile`."""
        return self._feed.compile(state, step)

    def advance(self, state: TrainState, step: int, count: int) -> tuple[TrainState, Sums, int]:
        """See `Feed.advance`."""
        if step not in self._skipped:
            until = self._skipped.next_after(step, otherwise=step + count)
            return self._feed.advance(state, step, min(count, until - step))
        # Its step is made and dropped: whatever the kind of feed, it then stands where it should.
        before = self._copy(state)
        _, sums, _ = self._feed.advance(state, step, 1)
        return self._pass(before), self._nothing(sums), 1


def _read(path: Path) -> set[int]:
    try:
        steps = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(steps, list) and all(type(step) is int for step in steps):
            return set(steps)
    except (ValueError, RecursionError):
        pass
    raise ValueError(f"{path} is no list of steps; restore it, or train this stage from its start")
