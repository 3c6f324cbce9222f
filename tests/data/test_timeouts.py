import subprocess
import sys
import threading
import time

import pytest

from conceal_jax.data.timeouts import with_timeout
from conceal_jax.runtime.errors import DataStalledError, DataWorkerError


def test_items_come_in_order():
    numbers = iter(range(100))
    items = with_timeout(lambda: next(numbers))
    assert [next(items) for _ in range(100)] == list(range(100))
    items.close()


def test_a_slow_read_is_logged_and_waited_for(caplog):
    def read():
        time.sleep(0.1)
        return 5

    items = with_timeout(read, warn_after=0.02)
    assert next(items) == 5
    items.close()
    assert "is the storage of the pictures slow, or gone?" in caplog.text


def test_a_read_that_hangs_is_given_up():
    never = threading.Event()
    items = with_timeout(never.wait, warn_after=0.01, give_up_after=0.03)
    with pytest.raises(DataStalledError, match="no batch came within"):
        next(items)
    never.set()


HANGING = """
import runpy, threading
from conceal_jax.data import timeouts
from conceal_jax.training import loop

def train(*arguments):
    # As those of TensorFlow, no daemon: Python waits for it when it ends.
    threading.Thread(target=threading.Event().wait).start()
    next(timeouts.with_timeout(threading.Event().wait, warn_after=0.01, give_up_after=0.03))

loop.train = train
runpy.run_path("train.py", run_name="__main__")
"""


def test_training_ends_although_the_read_hangs_on():
    result = subprocess.run([sys.executable, "-c", HANGING], capture_output=True, text=True, timeout=300, check=False)
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1].startswith("error: no batch came within")


def test_a_dead_worker_is_an_error():
    def read():
        raise RuntimeError("the worker is gone")

    with pytest.raises(DataWorkerError, match="reading the data failed: the worker is gone") as caught:
        next(with_timeout(read))
    assert isinstance(caught.value.__cause__, RuntimeError)
