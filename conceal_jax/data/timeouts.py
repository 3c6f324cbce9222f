"""Reading with a timeout: slow storage is logged, and storage that hangs ends the run."""

import logging
import queue
import threading
from collections.abc import Callable, Generator
from typing import TypeVar

from conceal_jax.runtime.errors import DataStalledError, DataWorkerError

logger = logging.getLogger(__name__)

Item = TypeVar("Item")


def with_timeout(
    read: Callable[[], Item], warn_after: float = 30.0, give_up_after: float = 600.0
) -> Generator[Item, None, None]:
    """Yields the results of repeated calls of `read`, which run in a thread so that a signal can interrupt the wait.

    Args:
        read: returns the next item.
        warn_after: seconds of waiting after which a warning is logged, and again after as many.
        give_up_after: seconds of waiting after which the read has failed.

    Raises:
        DataStalledError: an item did not arrive in time.
        DataWorkerError: `read` raised; its exception is the cause.
    """
    requests: queue.SimpleQueue[bool] = queue.SimpleQueue()
    answers: queue.SimpleQueue[tuple[Item | None, Exception | None]] = queue.SimpleQueue()

    def serve() -> None:
        while requests.get():
            try:
                answers.put((read(), None))
            except Exception as error:
                answers.put((None, error))

    # A daemon: a read that hangs must not keep the process from ending.
    threading.Thread(target=serve, daemon=True, name="data").start()
    try:
        while True:
            requests.put(True)
            item, error = _wait(answers, warn_after, give_up_after)
            if error is not None:
                raise DataWorkerError(f"reading the data failed: {error}; the last good checkpoint is kept") from error
            yield item  # type: ignore[misc]
    finally:
        requests.put(False)


def _wait(answers: "queue.SimpleQueue[Item]", warn_after: float, give_up_after: float) -> Item:
    waited = 0.0
    while waited < give_up_after:
        try:
            return answers.get(timeout=min(warn_after, give_up_after - waited))
        except queue.Empty:
            waited += warn_after
            logger.warning("no batch for %.0f s: is the storage of the pictures slow, or gone?", waited)
    raise DataStalledError(
        f"no batch came within {give_up_after:.0f} s; the last good checkpoint is kept. Check the storage of the "
        "pictures, then start the same command again"
    )
