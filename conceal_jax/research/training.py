"""Members of one shape train side by side in one compiled program, over all devices."""

import dataclasses
import logging
from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, PyTree

from conceal_jax.attributes import AttributeSet
from conceal_jax.config import Config
from conceal_jax.data.order import epoch_order, steps_per_epoch
from conceal_jax.data.resident import Resident
from conceal_jax.research.members import Encoded, Member, begin_member, encode_batch, member_of, stacked, update
from conceal_jax.runtime.parallel import AXIS, create_mesh, create_replicated, replicate, whole
from conceal_jax.runtime.randomness import Stream, stream_key
from conceal_jax.training.evaluator import padded_batches
from conceal_jax.training.feed import EpochData, resident_step
from conceal_jax.training.metrics import NEVER, Sums, merge_sums
from conceal_jax.training.state import TrainState, create_optimizer

logger = logging.getLogger(__name__)

MEMBERS = PartitionSpec(AXIS)


@dataclasses.dataclass(frozen=True)
class Trained:
    """Members after training.

    Attributes:
        members: stacked.
        params: averaged parameters, stacked.
        losses: float64 [members], mean objective in nats over the last steps that were logged.
        failures: by the member's number, why it has no parameters that are of use.
    """

    members: Member
    params: PyTree
    losses: np.ndarray
    failures: dict[int, str]


def train_members(configs: Sequence[Config], items: Resident, attributes: AttributeSet) -> Trained:
    """Trains the members of configurations of one shape (`members.shape_of`).

    What happens to a member does not depend on the others: one whose loss is not finite fails alone.

    Args:
        configs: differ in what is a `Member`'s.
        items: pictures, the same for all members; each sees them in the order of its own seed.
        attributes: with the neutral vector of these pictures.
    """
    config, members = configs[0], stacked([member_of(each) for each in configs])
    mesh = member_mesh(len(configs))
    members = jax.device_put(members, NamedSharding(mesh, MEMBERS))
    states = create_replicated(jax.vmap(partial(begin_member, config=config)), mesh, members)
    states = jax.device_put(states, NamedSharding(mesh, MEMBERS))
    items, step = replicate(items, mesh), group_step(config, attributes, mesh)
    orders = jax.jit(jax.vmap(partial(epoch_order, size=len(items.valid)), in_axes=(0, None)))
    per_epoch = steps_per_epoch(len(items.valid), config.training.batch_size)
    window: Sums | None = None
    bad: dict[int, str] = {}
    for number in range(config.training.steps):
        if number % per_epoch == 0:
            order, flip = orders(members.seed, number // per_epoch)
            placed = jax.device_put((order, flip & config.data.flip), NamedSharding(mesh, MEMBERS))
        states, sums = step(states, members, *placed, items)
        window = sums if window is None else merge_sums(window, sums)
        done = number + 1
        if done % config.training.log_every == 0 or done == config.training.steps:
            losses = _means(window, "loss")
            bad |= {index: why for index, why in _not_finite(window).items() if index not in bad}
            logger.info("step %d of %d: losses %s", done, config.training.steps, np.array2string(losses, precision=1))
            window = None
    return Trained(members, states.averaged_model(), losses, bad)


def member_mesh(count: int) -> Mesh:
    """As many devices as can share `count` members evenly."""
    devices = jax.devices()
    return create_mesh(devices[: max(n for n in range(1, len(devices) + 1) if count % n == 0)])


def group_step(config: Config, attributes: AttributeSet, mesh: Mesh) -> Any:
    """A compiled update of stacked members.

    Returns:
        A function of states, members, orders and flips, all [members, ...], and the items; it returns the new states
        and sums [members]. The states' memory is used again.
    """
    batch_size = config.training.batch_size
    learn = partial(update, config=config, attributes=attributes, optimizer=create_optimizer(config.training))

    def one(state: TrainState, member: Member, order: Array, flip: Array, items: Resident) -> tuple[TrainState, Sums]:
        def step(state: TrainState, batch: Any, axis_name: None) -> tuple[TrainState, Sums]:
            del axis_name
            return learn(state, member, batch)

        slots = jnp.arange(batch_size, dtype=jnp.int32)
        data = EpochData(items, order, flip)
        return resident_step(state, slots, data, step=step, batch_size=batch_size, axis_name=None)

    mapped = jax.vmap(one, in_axes=(0, 0, 0, 0, None))
    specs = (MEMBERS, MEMBERS, MEMBERS, MEMBERS, PartitionSpec())
    # No device needs anything of another.
    shared = jax.shard_map(mapped, mesh=mesh, in_specs=specs, out_specs=MEMBERS, check_vma=False)
    return jax.jit(shared, donate_argnums=0)


def encode_all(trained: Trained, items: Resident, config: Config, attributes: AttributeSet, part: int) -> Encoded:
    """Encodes the readable pictures of a set by every member: arrays [members, pictures, ...] on the host.

    Args:
        trained: by `train_members`.
        items: pictures and labels.
        config: of one of the members.
        attributes: as in training.
        part: number of the set, so that different sets have different noise.
    """

    def one(params: PyTree, member: Member, batch: Any, index: Array) -> Encoded:
        key = stream_key(member.seed, Stream.RESEARCH_NOISE, part, index)
        return encode_batch(params, member, batch, key, config=config, attributes=attributes)

    mapped = jax.jit(jax.vmap(one, in_axes=(0, 0, None, None)))
    mesh, size = member_mesh(len(trained.losses)), config.evaluation.batch_size
    parts = []
    for index, batch in enumerate(padded_batches(items, size)):
        placed = jax.device_put((batch, np.int32(index)), whole(mesh))
        parts.append(jax.device_get(mapped(trained.params, trained.members, *placed)))
    joined = jax.tree.map(lambda *leaves: np.concatenate(leaves, axis=1)[:, : len(items.valid)], *parts)
    return jax.tree.map(lambda leaf: leaf[:, items.valid], joined)


def _means(window: Sums, name: str) -> np.ndarray:
    """float64 [members]."""
    total, count = jax.device_get((window.totals[name], window.count))
    return np.asarray(total, np.float64) / count


def _not_finite(window: Sums) -> dict[int, str]:
    """By member: the first step at which something was not finite, and what."""
    steps = {name: np.asarray(each) for name, each in jax.device_get(window.bad_step).items()}
    first = np.min(list(steps.values()), axis=0)
    return {
        int(index): f"not finite at step {first[index]}: "
        + ", ".join(name for name, each in steps.items() if each[index] == first[index])
        for index in np.flatnonzero(first != NEVER)
    }
