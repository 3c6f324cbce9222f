"""How training steps get their batches: from a set resident in device memory, or from a stream.

Both see the same batches in the same order with the same flips: the order is a function of seed and epoch
(`data.order`), the position in it a function of the step.
"""

import functools
import itertools
from collections.abc import Iterator
from functools import partial
from typing import Any, Protocol, runtime_checkable

import flax.struct
import jax
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Int, PyTree

from conceal_jax.config import Config
from conceal_jax.data.collection import Collection
from conceal_jax.data.order import epoch_order, steps_per_epoch
from conceal_jax.data.resident import Resident, load_resident
from conceal_jax.models.vae import VAE
from conceal_jax.runtime.parallel import Compilation, Step, map_step, process_rows, replicate, shard_batch, whole
from conceal_jax.training.codes import CodeSet, first_codes
from conceal_jax.training.evaluator import ordered_batches
from conceal_jax.training.metrics import Sums
from conceal_jax.training.state import TrainState


@runtime_checkable
class Feed(Protocol):
    """Runs training steps on the batches that belong to them."""

    def compile(self, state: TrainState, step: int) -> Compilation:
        """Compiles what `advance` calls, so that no step has to wait for it; counts the operations of one step."""
        ...

    def advance(self, state: TrainState, step: int, count: int) -> tuple[TrainState, Sums, int]:
        """Runs up to `count` steps from `step` on.

        Returns:
            The new state, sums over the steps that were run, and how many those were.
        """
        ...


class EpochData(flax.struct.PyTreeNode):
    """A resident set and the order of one epoch; every device holds it whole.

    A tree of this form may also hold shapes, so its leaves are not typed as arrays.

    Attributes:
        items: the set.
        order, flip: of `epoch_order`.
    """

    items: Resident | CodeSet
    order: Any
    flip: Any


def resident_step(
    state: TrainState,
    slots: Int[Array, " share"],
    data: EpochData,
    *,
    step: Step,
    batch_size: int,
    axis_name: str | None,
) -> tuple[TrainState, Sums]:
    """One step on a batch drawn from the resident set inside the compiled program.

    Args:
        state: its step determines the batch.
        slots: this device's places in the global batch.
        data: the set and the epoch's order.
        step: the training step.
        batch_size: of the global batch.
        axis_name: of the devices, if several share a batch.
    """
    position = state.step % steps_per_epoch(len(data.order), batch_size)
    batch = data.items.draw(data.order, data.flip, position * batch_size + slots)
    return step(state, batch, axis_name=axis_name)


def resident_steps(
    state: TrainState,
    slots: Int[Array, " share"],
    data: EpochData,
    count: Int[Array, ""],
    **settings: Any,
) -> tuple[TrainState, Sums]:
    """`count` steps within one epoch in one compiled call; otherwise as `resident_step`."""

    def body(_: Array, carry: tuple[TrainState, Sums]) -> tuple[TrainState, Sums]:
        state, sums = resident_step(carry[0], slots, data, **settings)
        return state, carry[1].merge(sums)

    _, shapes = jax.eval_shape(lambda state: resident_step(state, slots, data, **settings), state)
    return jax.lax.fori_loop(0, count, body, (state, Sums.zeros_like(shapes)))


class ResidentFeed:
    """Batches from a set in device memory, several steps per compiled call where that helps."""

    def __init__(self, items: Resident | CodeSet, step: Step, batch_size: int, config: Config, mesh: Mesh) -> None:
        self._config, self._mesh = config, mesh
        self._size = len(items.valid)
        self._epoch_steps = steps_per_epoch(self._size, batch_size)
        self._items = replicate(items, mesh)
        self._slots = shard_batch(process_rows(batch_size), mesh)
        self._order = jax.jit(partial(epoch_order, size=self._size), out_shardings=whole(mesh))
        self._epoch = -1
        self._data: EpochData | None = None
        # XLA:CPU runs convolutions inside a loop some thirty times slower.
        on_cpu = mesh.devices.flat[0].platform == "cpu"
        self._steps_per_call = 1 if on_cpu else config.training.steps_per_call
        # On the devices from the start: one copied at each call would keep a fast device waiting.
        self._counts = [replicate(np.int32(count), mesh) for count in range(self._steps_per_call + 1)]
        settings: dict[str, Any] = {"step": step, "batch_size": batch_size}
        function, num_shared = (resident_step, 1) if self._steps_per_call == 1 else (resident_steps, 2)
        self._step = map_step(partial(function, **settings), mesh, config.training.mapping, num_shared)

    def compile(self, state: TrainState, step: int) -> Compilation:
        """See `Feed.compile`."""
        return self._step.compile(state, *self._arguments(step, 1))

    def advance(self, state: TrainState, step: int, count: int) -> tuple[TrainState, Sums, int]:
        """See `Feed.advance`; a call ends with the epoch."""
        count = min(count, self._steps_per_call, self._epoch_steps - step % self._epoch_steps)
        return *self._step(state, *self._arguments(step, count)), count

    def _arguments(self, step: int, count: int) -> tuple[PyTree, ...]:
        """What the compiled program takes besides the state."""
        data = self._epoch_data(step // self._epoch_steps)
        return (self._slots, data) if self._steps_per_call == 1 else (self._slots, data, self._counts[count])

    def _epoch_data(self, epoch: int) -> EpochData | None:
        if epoch != self._epoch:
            with jax.transfer_guard("allow"):
                order, flip = self._order(self._config.seed, epoch)
                flip = flip & self._config.data.flip
            self._epoch, self._data = epoch, EpochData(self._items, order, flip)
        return self._data


class StreamFeed:
    """One step per call on batches that tf.data decodes meanwhile."""

    def __init__(self, batches: Iterator[PyTree], step: Step, config: Config, mesh: Mesh) -> None:
        self._batches, self._mesh = batches, mesh
        self._step = map_step(step, mesh, config.training.mapping)

    def compile(self, state: TrainState, step: int) -> Compilation:
        """See `Feed.compile`."""
        del step
        first = next(self._batches)
        self._batches = itertools.chain([first], self._batches)
        return self._step.compile(state, shard_batch(first, self._mesh))

    def advance(self, state: TrainState, step: int, count: int) -> tuple[TrainState, Sums, int]:
        """See `Feed.advance`."""
        del step, count
        state, sums = self._step(state, shard_batch(next(self._batches), self._mesh))
        return state, sums, 1


class Pictures:
    """The training split, as `config.data.loader` asks for it; the resident set is decoded once, at first need."""

    def __init__(self, collection: Collection, config: Config, mesh: Mesh) -> None:
        self._collection, self._config, self._mesh = collection, config, mesh

    def feed(self, start_step: int, step: Step) -> Feed:
        """Batches of pictures for training steps, from a step on."""
        config = self._config
        if config.data.loader == "resident":
            return ResidentFeed(self._resident, step, config.training.batch_size, config, self._mesh)
        return _stream_feed(self._collection, start_step, step, config, self._mesh)

    def code_feed(self, step: Step, encoder: VAE, params: PyTree, beta: float, batch_size: int) -> ResidentFeed:
        """Batches of what an encoder makes of the pictures; `encoder`, `params` and `beta` as for `first_codes`."""
        return ResidentFeed(self.first_codes(encoder, params, beta), step, batch_size, self._config, self._mesh)

    def first_codes(self, model: VAE, params: PyTree, beta: float) -> CodeSet:
        """What the censor learns from: see `codes.first_codes`."""
        data = self._config.data
        batches = ordered_batches(self._resident if data.loader == "resident" else self._collection, self._config)
        size = len(self._collection)
        return first_codes(model, params, batches, size, beta=beta, flip=data.flip, mesh=self._mesh)

    @functools.cached_property
    def _resident(self) -> Resident:
        return load_resident(self._collection, self._config.data.image_size, self._config.data.crop)


def _stream_feed(collection: Collection, start_step: int, step: Step, config: Config, mesh: Mesh) -> StreamFeed:
    """Batches of the training split that are decoded as they are needed, from a step on."""
    # TensorFlow takes seconds to import, and may be missing where only the resident path is used.
    from conceal_jax.data.stream import train_batches

    batches = train_batches(
        collection,
        config.data,
        batch_size=config.training.batch_size,
        seed=config.seed,
        start_step=start_step,
        process_index=jax.process_index(),
        process_count=jax.process_count(),
    )
    return StreamFeed(batches, step, config, mesh)
