import os
import subprocess
import sys

import pytest

SCRIPT = """
import jax
from conceal_jax.training.parallel import use_host_devices
use_host_devices({batch_size})
print(jax.device_count())
"""


@pytest.mark.parametrize(("batch_size", "least"), [(128, 1), (16, 1), (127, 1)])
def test_host_devices_share_the_batch_equally(batch_size, least):
    command = [sys.executable, "-c", SCRIPT.format(batch_size=batch_size)]
    count = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert least <= count <= (os.cpu_count() or 1)
    assert batch_size % count == 0
    assert count == 1 or batch_size // count >= 16
