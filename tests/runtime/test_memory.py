import os
import platform
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="mallopt is glibc's")

SCRIPT = """
import resource
import sys
import numpy as np
from conceal_jax.runtime.memory import keep_freed_memory
if sys.argv[1] == "True":
    keep_freed_memory()
for _ in range(3):
    np.ones(32 << 20, np.uint8)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    np.ones(32 << 20, np.uint8)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def test_freed_memory_is_used_again_without_page_faults():
    assert faults(keep=True) < 0.2 * faults(keep=False)


def test_a_switch_leaves_the_allocator_as_it_is():
    assert 0.8 * faults(keep=False) < faults(keep=True, switch="0")


GIVING = """
from pathlib import Path
import numpy as np
from conceal_jax.runtime.memory import give_back_freed_memory, keep_freed_memory
keep_freed_memory()
for _ in range(3):
    np.ones(32 << 20, np.uint8)
for _ in range(2):
    print(Path("/proc/self/statm").read_text().split()[1])
    give_back_freed_memory()
"""


def test_freed_memory_is_given_back_when_asked_for():
    before, after = map(int, subprocess.check_output([sys.executable, "-c", GIVING]).split())
    assert (before - after) * os.sysconf("SC_PAGE_SIZE") > 30 << 20


def faults(keep, switch="1"):
    """Page faults of a process that allocates the same again and again."""
    environment = {**os.environ, "CONCEAL_JAX_KEEP_MEMORY": switch}
    return int(subprocess.check_output([sys.executable, "-c", SCRIPT, str(keep)], env=environment))
