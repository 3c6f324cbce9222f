import threading
import time

import pytest

from conceal_jax.data.patience import DataStalledError, DataWorkerError, patiently


def test_items_come_in_order():
    numbers = iter(range(100))
    items = patiently(lambda: next(numbers))
    assert [next(items) for _ in range(100)] == list(range(100))
    items.close()


def test_a_slow_read_is_told_of_and_waited_for(caplog):
    def read():
        time.sleep(0.1)
        return 5

    items = patiently(read, warn_after=0.02)
    assert next(items) == 5
    items.close()
    assert "is the storage of the pictures slow, or gone?" in caplog.text


def test_a_read_that_hangs_is_given_up():
    never = threading.Event()
    items = patiently(never.wait, warn_after=0.01, give_up_after=0.03)
    with pytest.raises(DataStalledError, match="no batch came within"):
        next(items)
    never.set()


def test_a_dead_worker_is_an_error():
    def read():
        raise RuntimeError("the worker is gone")

    with pytest.raises(DataWorkerError, match="reading the data failed: the worker is gone") as caught:
        next(patiently(read))
    assert isinstance(caught.value.__cause__, RuntimeError)
