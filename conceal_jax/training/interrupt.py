"""Stopping on request: the first Ctrl-C or SIGTERM asks the loop to save and stop, the second stops at once."""

import signal
from types import FrameType, TracebackType
from typing import Any


class StopRequest:
    """Within the context, signals set `requested` instead of ending the process; a second one ends it.

    Signals can only be caught in the main thread; elsewhere (a notebook's worker, a test) nothing is caught.
    """

    SIGNALS = (signal.SIGINT, signal.SIGTERM)

    def __init__(self) -> None:
        self.requested = False
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "StopRequest":
        for number in self.SIGNALS:
            try:
                self._previous[number] = signal.signal(number, self._request)
            except ValueError:
                break
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._restore()

    def _request(self, number: int, frame: FrameType | None) -> None:
        self.requested = True
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}
