import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from conceal_jax.runtime.collectives import psum
from conceal_jax.runtime.parallel import create_mesh, map_step, replicate, shard_batch

SCRIPT = """
import pathlib
import jax
from conceal_jax.runtime.parallel import give_devices_threads
give_devices_threads()
count = jax.device_count()
threads = [path.read_text().strip() for path in pathlib.Path("/proc/self/task").glob("*/comm")]
print(count, threads.count("tf_XLAEigen"))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="threads are counted in /proc")
@pytest.mark.parametrize(("asked", "devices"), [({}, 1), ({"JAX_NUM_CPU_DEVICES": "3"}, 3)])
def test_devices_that_wait_for_others_leave_threads_to_these(asked, devices):
    unset = ("JAX_NUM_CPU_DEVICES", "NPROC")
    kept = {name: value for name, value in os.environ.items() if name not in unset}
    command = [sys.executable, "-c", SCRIPT]
    environment = kept | {"JAX_PLATFORMS": "cpu"} | asked
    ran = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    count, threads = map(int, ran.stdout.split())
    assert count == devices
    assert threads >= (2 * count if count > 1 else min(2, os.cpu_count() or 1))


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
