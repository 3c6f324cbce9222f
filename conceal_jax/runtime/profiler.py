"""A trace of a few training steps, for TensorBoard's profiler or Perfetto."""

from pathlib import Path
from types import TracebackType

import jax
from jaxtyping import PyTree

from conceal_jax.runtime.distributed import is_leader

NEVER = 2**63 - 1


def parse_window(text: str) -> range:
    """The steps that "START:STOP" names; STOP is the first that is not among them.

    Raises:
        ValueError: the text is not of that form, or names no step.
    """
    start, _, stop = text.partition(":")
    if not (start.isdecimal() and stop.isdecimal() and int(start) < int(stop)):
        raise ValueError(f"profile={text!r}; give START:STOP, two numbers of steps, such as 20:25")
    return range(int(start), int(stop))


class Profiler:
    """Traces the steps of a window, and nothing where it is empty. A context manager; leaving it ends the trace.

    Of several processes, the first one is traced; all pause where it begins and ends.
    """

    def __init__(self, window: range, folder: Path) -> None:
        self._window, self._folder = window, folder
        self._running = False

    def __enter__(self) -> "Profiler":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._running and is_leader():
            jax.profiler.stop_trace()

    def next_edge(self, step: int) -> int:
        """The next step at which the trace starts or stops; `NEVER` if none is to come."""
        return min((edge for edge in (self._window.start, self._window.stop) if edge > step), default=NEVER)

    def observe(self, step: int, state: PyTree) -> None:
        """Starts or stops the trace, once all steps so far have been computed; call before each step."""
        if (step in self._window) == self._running:
            return
        jax.block_until_ready(state)
        if self._running and is_leader():
            jax.profiler.stop_trace()
        elif is_leader():
            jax.profiler.start_trace(self._folder)
        self._running = not self._running
