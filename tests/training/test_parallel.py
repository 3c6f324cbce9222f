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
