"""Errors that end training, with what a caller needs to go on."""


class NonFiniteError(RuntimeError):
    """Training met a value that is not a number, or infinite; `step` is the first one at which it did."""

    def __init__(self, message: str, step: int) -> None:
        super().__init__(message)
        self.step = step


class DataStalledError(TimeoutError):
    """A batch did not come in time."""


class DataWorkerError(OSError):
    """What reads the data has failed."""
