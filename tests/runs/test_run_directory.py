import subprocess
import sys

import pytest

from conceal_jax.runs import run_directory

HOLDER = """
import pathlib, sys, time
from conceal_jax.runs import run_directory
with run_directory.held(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_directory_in_use_is_refused_until_its_process_is_dead(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.readline() == "held\n"
        refused = pytest.raises(ValueError, match=f"in use by process {process.pid} on .*another directory")
        with refused, run_directory.held(tmp_path):
            pass
        process.kill()
        process.wait()
    with run_directory.held(tmp_path):
        pass
