import signal
import subprocess
import sys

import pytest

from conceal_jax.runtime.interrupt import StopRequest

WAITING = """
import signal, sys, time
from conceal_jax.runtime.interrupt import StopRequest
with StopRequest() as stop:
    signal.raise_signal(signal.SIGTERM)
    print(stop.requested, stop.signal.name, flush=True)
    try:
        signal.raise_signal(signal.Signals[sys.argv[1]])
    finally:
        print("too late")
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_second_signal_ends_the_process_at_once(number):
    result = subprocess.run([sys.executable, "-c", WAITING, number.name], capture_output=True, text=True, check=False)
    assert result.returncode == -number
    assert result.stdout == "True SIGTERM\n"


def test_afterwards_signals_do_what_they_did_before():
    before = signal.getsignal(signal.SIGTERM)
    with StopRequest() as stop:
        signal.raise_signal(signal.SIGTERM)
    assert stop.requested
    assert signal.getsignal(signal.SIGTERM) == before
