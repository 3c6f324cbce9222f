import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from conceal_jax.training.devices import psum
from conceal_jax.training.parallel import create_mesh, map_step, replicate, shard_batch

SCRIPT = """
import pathlib
import jax
from conceal_jax.training.parallel import use_host_devices
use_host_devices({batch_size})
count = jax.device_count()
threads = [path.read_text().strip() for path in pathlib.Path("/proc/self/task").glob("*/comm")]
print(count, threads.count("tf_XLAEigen"))
"""


def devices_and_threads(batch_size, **given):
    """The number of host devices, and of threads in XLA's pool (Linux)."""
    command = [sys.executable, "-c", SCRIPT.format(batch_size=batch_size)]
    unset = ("JAX_NUM_CPU_DEVICES", "NPROC")
    environment = {name: value for name, value in os.environ.items() if name not in unset} | given
    ran = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    count, threads = map(int, ran.stdout.split())
    return count, threads


@pytest.mark.parametrize(("batch_size", "least"), [(128, 1), (16, 1), (127, 1)])
def test_host_devices_share_the_batch_equally(batch_size, least):
    count, _ = devices_and_threads(batch_size)
    assert least <= count <= (os.cpu_count() or 1)
    assert batch_size % count == 0
    assert count == 1 or batch_size // count >= 16


@pytest.mark.skipif(sys.platform != "linux", reason="threads are counted in /proc")
def test_devices_that_wait_for_others_leave_threads_to_these():
    count, threads = devices_and_threads(batch_size=128)
    assert threads >= 2 * count


def test_a_number_of_devices_that_was_given_stays():
    count, _ = devices_and_threads(128, JAX_NUM_CPU_DEVICES="3", JAX_PLATFORMS="cpu")
    assert count == 3


@pytest.mark.parametrize("mapping", ["pmap", "jit"])
@pytest.mark.parametrize("devices", [1, 8])
def test_operations_are_counted_over_all_devices(mapping, devices):
    def step(weights, batch, axis_name):
        return weights + psum(batch.T @ batch, axis_name), jnp.zeros(())

    mesh = create_mesh(jax.devices()[:devices])
    batch = shard_batch(np.ones((512, 64), np.float32), mesh)
    compilation = map_step(step, mesh, mapping).compile(replicate(jnp.zeros((64, 64)), mesh), batch)
    assert compilation.seconds > 0
    np.testing.assert_allclose(compilation.flops, 2 * 512 * 64 * 64, rtol=0.05)
    assert str(compilation).endswith("GFLOP")
