"""Stopping before the end: the first Ctrl-C or SIGTERM asks the loop to save and stop, the second ends the process."""

import signal
from types import FrameType, TracebackType
from typing import Any


class TrainingStopped(KeyboardInterrupt):
    """Training was asked to stop; its state is saved, and the same command goes on from there.

    Attributes:
        step: at which the current stage stands.
        exit_code: 128 + the signal's number, as shells say it: 130 for Ctrl-C, 143 for SIGTERM.
    """

    def __init__(self, step: int, number: signal.Signals) -> None:
        super().__init__(f"stopped at step {step} by {number.name}")
        self.step, self.exit_code = step, 128 + number


class StopRequest:
    """Within the context, signals set `requested` instead of ending the process.

    After the first one the system's own handling is in force: a second one ends the process at once, even while it
    compiles or waits for a disk, where Python would not get to run a handler.

    Signals can only be caught in the main thread; elsewhere (a notebook's worker, a test) nothing is caught.
    """

    SIGNALS = (signal.SIGINT, signal.SIGTERM)

    def __init__(self) -> None:
        self.requested = False
        self.signal = signal.SIGTERM
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
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _request(self, number: int, frame: FrameType | None) -> None:
        self.requested, self.signal = True, signal.Signals(number)
        for each in self.SIGNALS:
            signal.signal(each, signal.SIG_DFL)
