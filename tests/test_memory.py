import platform
import subprocess
import sys

import pytest

SCRIPT = """
import resource
import numpy as np
from conceal_jax.memory import keep_freed_memory
if {keep}:
    keep_freed_memory()
for _ in range(3):
    np.ones(32 << 20, np.uint8)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    np.ones(32 << 20, np.uint8)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="mallopt is glibc's")
def test_freed_memory_is_used_again_without_page_faults():
    faults = {
        keep: int(subprocess.check_output([sys.executable, "-c", SCRIPT.format(keep=keep)])) for keep in (False, True)
    }
    assert faults[True] < 0.2 * faults[False]
