"""How a step is spread over devices: `jax.pmap`, or its twin `jax.jit` over sharded arrays.

The state has no device axis in either: it is replicated, goes in and comes out whole. Batches have one in front. The
devices may be those of several processes, each of which holds its own share of every batch on the host.
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
from jaxtyping import Int32, PyTree

AXIS = "devices"


Step = Callable[..., tuple[Any, Any]]
"""A function (state, batch, *shared, axis_name) -> (state, metrics) that reduces over `axis_name` if there is one."""


def give_devices_threads() -> None:
    """Gives XLA enough threads for as many CPU devices as JAX_NUM_CPU_DEVICES asks for; call before JAX is used.

    One device with all cores trains fastest, and is what there is where nothing is asked for; several serve to try out
    what accelerators do. XLA has as many threads as cores, and a device that waits for the others in a sum over all of
    them keeps one. With no thread left for these nobody moves: seen within some hundred short steps, and never with
    twice as many.
    """
    settings: Any = jax.config
    count: int = settings.jax_num_cpu_devices
    if count > 1:
        os.environ.setdefault("NPROC", str(max(os.cpu_count() or 1, 2 * count)))


def create_mesh(devices: Sequence[jax.Device] | None = None) -> Mesh:
    """A mesh of one axis over the given devices, all of all processes by default."""
    # Each process's devices are neighbours, so that its share of a batch is contiguous.
    ordered = sorted(jax.devices(), key=lambda device: (device.process_index, device.id))
    return Mesh(np.asarray(devices or ordered), (AXIS,))


def whole(mesh: Mesh) -> NamedSharding:
    """Of arrays that every device has whole."""
    return NamedSharding(mesh, PartitionSpec())


def replicate(tree: PyTree, mesh: Mesh) -> PyTree:
    """The whole tree, the same in all processes, on every device."""
    return _place(tree, whole(mesh))


def create_replicated(create: Callable[..., PyTree], mesh: Mesh, *arrays: PyTree) -> PyTree:
    """What a pure function makes of arrays, computed where it will be used: on every device."""
    # It runs once: on a CPU, compiling well takes ten times as long as running.
    options = {"xla_backend_optimization_level": 0} if mesh.devices.flat[0].platform == "cpu" else None
    return jax.jit(create, out_shardings=whole(mesh), compiler_options=options)(*arrays)


def replicated_like(tree: PyTree, mesh: Mesh) -> PyTree:
    """Shapes and types of a tree, to be placed on every device: what a checkpoint is restored into."""
    sharding = whole(mesh)
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding), tree)


def process_rows(batch_size: int) -> Int32[np.ndarray, " share"]:
    """The places in a global batch that this process holds on the host.

    Raises:
        ValueError: the batch cannot be divided by the number of processes.
    """
    return process_share(batch_size, jax.process_index(), jax.process_count())


def process_share(batch_size: int, process_index: int, process_count: int) -> Int32[np.ndarray, " share"]:
    """The places in a global batch that one of several processes reads.

    Raises:
        ValueError: the batch cannot be shared out evenly.
    """
    if batch_size % process_count:
        raise ValueError(
            f"a batch of {batch_size} cannot be shared by {process_count} processes; "
            f"set training.batch_size (and evaluation.batch_size, censor.batch_size) to a multiple of {process_count}"
        )
    share = batch_size // process_count
    return process_index * share + np.arange(share, dtype=np.int32)


def shard_batch(batch: PyTree, mesh: Mesh) -> PyTree:
    """This process's share of a batch of B, on the host, to device arrays [devices, B / devices, ...].

    Raises:
        ValueError: the batch cannot be divided by the number of devices.
    """
    local = len(mesh.local_devices)
    for leaf in jax.tree.leaves(batch):
        if leaf.shape[0] % local:
            raise ValueError(
                f"a batch of {leaf.shape[0] * mesh.size // local} cannot be shared by {mesh.size} devices; set "
                f"training.batch_size (and evaluation.batch_size, censor.batch_size) to a multiple of {mesh.size}"
            )
    split = jax.tree.map(lambda leaf: np.reshape(leaf, (local, -1, *leaf.shape[1:])), batch)
    return _place(split, NamedSharding(mesh, PartitionSpec(AXIS)))


def _place(tree: PyTree, sharding: NamedSharding) -> PyTree:
    """Host arrays to global ones; those of several processes are put together from what each of them holds."""
    if sharding.is_fully_addressable:
        return jax.device_put(tree, sharding)
    # A requested transfer, as by `device_put`; the guard takes it for one by mistake.
    with jax.transfer_guard_host_to_device("allow"):
        return jax.tree.map(lambda leaf: jax.make_array_from_process_local_data(sharding, leaf), tree)


def merge_devices(batch: PyTree) -> PyTree:
    """[devices, B / devices, ...] to [B, ...]."""
    return jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), batch)


@dataclasses.dataclass(frozen=True)
class Compilation:
    """What the compiler did.

    Attributes:
        seconds: to trace and compile, or to find the program in the compilation cache.
        flops: floating point operations of a call on all devices together, the body of a loop counted once; None where
            the backend does not say.
        bytes_accessed: memory that one device reads and writes in a call, counted in the same way.
        temporary_bytes: memory that one device needs during a call besides what goes in and comes out.
    """

    seconds: float
    flops: float | None
    bytes_accessed: float | None = None
    temporary_bytes: int | None = None

    def repeated(self, times: int) -> "Compilation":
        """With operations and bytes of a call whose work is a loop of so many turns."""
        flops, accessed = (each and each * times for each in (self.flops, self.bytes_accessed))
        return dataclasses.replace(self, flops=flops, bytes_accessed=accessed)

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
        costs, memory = self._compiled.cost_analysis() or {}, self._compiled.memory_analysis()
        flops = costs.get("flops")
        return Compilation(
            seconds=time.perf_counter() - start,
            flops=flops and flops * self._mesh.size,
            bytes_accessed=costs.get("bytes accessed"),
            temporary_bytes=memory and memory.temp_size_in_bytes,
        )

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
            leaves the distribution to the compiler. What `jax.pmap` returns is of this process alone, so that over
            the devices of several processes "pmap" is the same program through `jax.shard_map`.
        num_shared: how many further arguments every device gets whole.

    Returns:
        A function of the replicated state, a batch from `shard_batch`, and the shared arguments.
    """
    if mapping == "pmap" and whole(mesh).is_fully_addressable:
        mapped = jax.pmap(
            partial(step, axis_name=AXIS),
            axis_name=AXIS,
            in_axes=(None, 0, *(None,) * num_shared),
            out_axes=(None, None),
            donate_argnums=0,
            devices=mesh.devices.flatten().tolist(),
        )
        return MappedStep(mapped, mesh)

    if mapping == "pmap":

        def device_step(state: PyTree, batch: PyTree, *shared: PyTree) -> tuple[PyTree, PyTree]:
            return step(state, merge_devices(batch), *shared, axis_name=AXIS)

        specs = (PartitionSpec(), PartitionSpec(AXIS), *(PartitionSpec(),) * num_shared)
        sharded = jax.shard_map(device_step, mesh=mesh, in_specs=specs, out_specs=PartitionSpec(), check_vma=False)
        return MappedStep(jax.jit(sharded, donate_argnums=0), mesh)

    def global_step(state: PyTree, batch: PyTree, *shared: PyTree) -> tuple[PyTree, PyTree]:
        return step(state, merge_devices(batch), *shared, axis_name=None)

    return MappedStep(jax.jit(global_step, donate_argnums=0, out_shardings=whole(mesh)), mesh)
