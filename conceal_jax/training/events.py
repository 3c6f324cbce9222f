"""TensorBoard events of scalars."""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_FLUSH_SECONDS = 30.0


class EventFile:
    """Writes scalars to an event file of its own, by tensorboardX's format.

    In this thread: tensorboardX's `SummaryWriter` has one of its own, which ends silently when the disk is full, and
    ten scalars later its queue blocks the training for ever.

    Raises:
        ImportError: tensorboardX is not installed.
    """

    def __init__(self, folder: Path, resume_step: int) -> None:
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto.event_pb2 import Event, SessionLog
        from tensorboardX.summary import scalar

        folder.mkdir(exist_ok=True)
        # Names hold the second of the start, which two starts may share.
        self._writer = EventsWriter(str(folder / "events"), f".{os.getpid()}")
        self._event, self._scalar = Event, scalar
        self._flushed = time.monotonic()
        if resume_step:
            # Tells TensorBoard to hide what an interrupted run wrote after this step.
            self._writer.write_event(Event(step=resume_step + 1, session_log=SessionLog(status=SessionLog.START)))

    def write(self, step: int, scalars: Mapping[str, Any]) -> None:
        """Adds one event per scalar; an `OSError` leaves the file as it is, with a torn end."""
        for name, value in scalars.items():
            event = self._event(step=step, wall_time=time.time(), summary=self._scalar(name, value))
            self._writer.write_event(event)
        if time.monotonic() - self._flushed > _FLUSH_SECONDS:
            self._writer.flush()
            self._flushed = time.monotonic()

    def close(self) -> None:
        """Writes what is left."""
        self._writer.close()
