"""Waiting for data that is slow, or that never comes."""

import logging
import queue
import threading
from collections.abc import Callable, Generator
from typing import TypeVar

from conceal_jax.runtime.errors import DataStalledError, DataWorkerError

logger = logging.getLogger(__name__)

Item = TypeVar("Item")


def patiently(
    read: Callable[[], Item], warn_after: float = 30.0, give_up_after: float = 600.0
) -> Generator[Item, None, None]:
    """What `read` returns, again and again, called in a thread of its own, so that a signal can interrupt the wait.

    Args:
        read: gives the next item.
        warn_after: seconds after which a wait is logged, and again after as many.
        give_up_after: seconds after which it ends.

    Raises:
        DataStalledError: an item did not come in time.
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
        f"no batch came within {give_up_after:.0f} s; the last good checkpoint is kept. Look after the storage of the "
        "pictures, then start the same command again"
    )
