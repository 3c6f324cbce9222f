"""How a step is spread over devices: `jax.pmap`, or its twin `jax.jit` over sharded arrays.

The state has no device axis in either: it is replicated, goes in and comes out whole. Batches have one in front.
"""

import dataclasses
import os
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import PyTree

AXIS = "devices"


Step = Callable[..., tuple[Any, Any]]
"""A function (state, batch, *shared, axis_name) -> (state, metrics) that reduces over `axis_name` if there is one."""


def use_host_devices(batch_size: int, least_share: int = 16) -> None:
    """Lets JAX see the host's cores as several CPU devices; call before JAX is used for the first time.

    Two devices with a thread each train faster than one with two threads. There are as many as cores, as long as each
    gets an equal share of the batch of at least `least_share` examples. Accelerators are not touched.
    """
    count = min(os.cpu_count() or 1, max(1, batch_size // least_share))
    while batch_size % count:
        count -= 1
    jax.config.update("jax_num_cpu_devices", count)
    # XLA has as many threads as cores, and a device that waits for the others in a sum over all of them keeps one. With
    # no thread left for these nobody moves: seen within some hundred short steps, and never with twice as many.
    os.environ.setdefault("NPROC", str(2 * count))


def create_mesh(devices: Sequence[jax.Device] | None = None) -> Mesh:
    """A mesh of one axis over the given devices, all by default."""
    return Mesh(np.asarray(devices or jax.devices()), (AXIS,))


def replicate(tree: PyTree, mesh: Mesh) -> PyTree:
    """The whole tree on every device."""
    return jax.device_put(tree, NamedSharding(mesh, PartitionSpec()))


def create_replicated(create: Callable[..., PyTree], mesh: Mesh, *arrays: PyTree) -> PyTree:
    """What a pure function makes of arrays, computed where it will be used: on every device."""
    # It runs once: on a CPU, compiling well takes ten times as long as running.
    options = {"xla_backend_optimization_level": 0} if mesh.devices.flat[0].platform == "cpu" else None
    sharding = NamedSharding(mesh, PartitionSpec())
    return jax.jit(create, out_shardings=sharding, compiler_options=options)(*arrays)


def replicated_like(tree: PyTree, mesh: Mesh) -> PyTree:
    """Shapes and types of a tree, to be placed on every device: what a checkpoint is restored into."""
    sharding = NamedSharding(mesh, PartitionSpec())
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding), tree)


def shard_batch(batch: PyTree, mesh: Mesh) -> PyTree:
    """Host arrays [B, ...] to device arrays [devices, B / devices, ...], each device holding its share.

    Raises:
        ValueError: B cannot be divided by the number of devices.
    """
    devices = mesh.size
    sizes = {leaf.shape[0] for leaf in jax.tree.leaves(batch)}
    if any(size % devices for size in sizes):
        raise ValueError(
            f"a batch of {max(sizes)} cannot be shared by {devices} devices; "
            f"set training.batch_size (and evaluation.batch_size) to a multiple of {devices}"
        )
    split = jax.tree.map(lambda leaf: np.reshape(leaf, (devices, -1, *leaf.shape[1:])), batch)
    return jax.device_put(split, NamedSharding(mesh, PartitionSpec(AXIS)))


def merge_devices(batch: PyTree) -> PyTree:
    """[devices, B / devices, ...] to [B, ...]."""
    return jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), batch)


@dataclasses.dataclass(frozen=True)
class Compilation:
    """What the compiler did.

    Attributes:
        seconds: to trace and compile, or to find the program in the compilation cache.
        flops: floating point operations of a call on all devices together, the body of a loop counted once; None where
            the backend does not tell.
    """

    seconds: float
    flops: float | None

    def __str__(self) -> str:
        known = f", {self.flops / 1e9:.3g} GFLOP" if self.flops else ""
        return f"{self.seconds:.1f} s{known}"


class MappedStep:
    """A step over the devices of a mesh, for arguments of the shapes that it is compiled for."""

    def __init__(self, function: Any, mesh: Mesh) -> None:
        self._function, self._mesh = function, mesh
        self._compiled: Any = None

    def compile(self, *arguments: PyTree) -> Compilation:
        """Compiles ahead of the first call, for the shapes and shardings of these arguments."""
        start = time.perf_counter()
        self._compiled = self._function.lower(*arguments).compile()
        # The analysis is of the program that each device runs.
        flops = (self._compiled.cost_analysis() or {}).get("flops")
        return Compilation(time.perf_counter() - start, flops and flops * self._mesh.size)

    def __call__(self, state: PyTree, batch: PyTree, *shared: PyTree) -> tuple[PyTree, PyTree]:
        """The new state and metrics. The state's memory is used again for the new state."""
        if self._compiled is None:
            self.compile(state, batch, *shared)
        return self._compiled(state, batch, *shared)

    def program(self) -> str:
        """The compiled program as text (HLO)."""
        return self._compiled.as_text()


def map_step(step: Step, mesh: Mesh, mapping: Literal["pmap", "jit"], num_shared: int = 0) -> MappedStep:
    """Spreads `step(state, batch, *shared)` over the devices of the mesh.

    Args:
        step: returns the new state and metrics, equal on all devices.
        mesh: from `create_mesh`.
        mapping: "pmap" runs the step once per device with `axis_name` set; "jit" runs it once on the global batch and
            leaves the distribution to the compiler.
        num_shared: how many further arguments every device gets whole.

    Returns:
        A function of the replicated state, a batch from `shard_batch`, and the shared arguments.
    """
    if mapping == "pmap":
        mapped = jax.pmap(
            partial(step, axis_name=AXIS),
            axis_name=AXIS,
            in_axes=(None, 0, *(None,) * num_shared),
            out_axes=(None, None),
            donate_argnums=0,
            devices=mesh.devices.flatten().tolist(),
        )
        return MappedStep(mapped, mesh)

    def global_step(state: PyTree, batch: PyTree, *shared: PyTree) -> tuple[PyTree, PyTree]:
        return step(state, merge_devices(batch), *shared, axis_name=None)

    replicated = NamedSharding(mesh, PartitionSpec())
    return MappedStep(jax.jit(global_step, donate_argnums=0, out_shardings=replicated), mesh)
