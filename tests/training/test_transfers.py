"""What moves between host and devices while a run trains: nothing within a step, figures when they are shown."""

import re
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from conceal_jax.config import files as config_files
from conceal_jax.data.resident import load_resident
from conceal_jax.data.sources.open import open_collection
from conceal_jax.models.vae import create_model
from conceal_jax.runtime.parallel import create_mesh, create_replicated, map_step
from conceal_jax.training import loop, stages
from conceal_jax.training.autoencoder_step import bind_autoencoder_step
from conceal_jax.training.feed import ResidentFeed
from conceal_jax.training.state import create_optimizer

CONFIG = config_files.load_config("configs/demo.py:shrunken", {"data.synthetic_count": "160", "censor.steps": "0"})
MESH = create_mesh(jax.devices()[:2])
HOST_TRAFFIC = re.compile(r"callback|infeed|outfeed|\bsend\(|\brecv\(|host_compute|MoveToHost")
"""In the text of a compiled program, whatever exchanges data with the host in the middle of it."""


@pytest.fixture
def fetches(monkeypatch):
    """Grows with every array that is copied to the host. The transfer guard does not see these on a CPU."""
    kind, seen = type(jnp.zeros(())), []
    original = kind._value
    monkeypatch.setattr(kind, "_value", property(lambda self: seen.append(self.shape) or original.fget(self)))
    return seen


@pytest.fixture(scope="module", params=["pmap", "jit"])
def running(request):
    """A resident feed in the middle of an epoch, and its state."""
    config = config_files.override(CONFIG, {"training.mapping": request.param})
    resident = load_resident(open_collection(config.data, config.attributes, 0).subset("train"), 32, "center")
    step = bind_autoencoder_step(
        create_model(config, censored=False), config.attributes, create_optimizer(config.training), config
    )
    feed = ResidentFeed(resident, step, config.training.batch_size, config, MESH)
    state = create_replicated(partial(stages.first_state, config), MESH)
    feed.compile(state, 0)
    return feed, feed.advance(state, 0, 1)[0]


def in_steady_state(running, extra=lambda sums: None):
    """A few steps during which no array may be put on a device, not even on purpose."""
    feed, state = running
    state = jax.tree.map(jnp.copy, state)
    with jax.transfer_guard("disallow_explicit"):
        for step in range(1, 4):
            state, sums, _ = feed.advance(state, step, 1)
            extra(sums)
    return jax.block_until_ready(state)


def test_steps_copy_nothing_to_or_from_the_host(running, fetches):
    in_steady_state(running)
    assert not fetches
    assert not HOST_TRAFFIC.search(running[0]._step.program())


@pytest.mark.parametrize("fetch", [jax.device_get, float, np.asarray], ids=["device_get", "float", "asarray"])
def test_a_figure_fetched_at_each_step_would_be_seen(running, fetches, fetch):
    in_steady_state(running, lambda sums: fetch(sums.count))
    assert len(fetches) == 3


@pytest.mark.parametrize("put", [lambda sums: sums.count + np.float32(1), lambda sums: jax.device_put(np.float32(1))])
def test_a_value_put_on_a_device_at_each_step_would_be_seen(running, put):
    with pytest.raises(jax.errors.JaxRuntimeError, match="host-to-device"):
        in_steady_state(running, put)


@pytest.mark.parametrize("mapping", ["pmap", "jit"])
def test_a_callback_within_a_step_would_be_seen(mapping):
    def step(state, batch, axis_name):
        jax.debug.callback(lambda value: None, state)
        return state + 1, batch.sum()

    mapped = map_step(step, MESH, mapping)
    mapped.compile(jnp.zeros(()), jnp.zeros((2, 4)))
    assert HOST_TRAFFIC.search(mapped.program())


def test_the_memory_of_the_state_is_used_again(running):
    feed, state = running
    state = jax.tree.map(jnp.copy, state)
    feed.advance(state, 1, 1)
    assert all(leaf.is_deleted() for leaf in jax.tree.leaves(state))
    aliased = re.findall(r"\((\d+), \{\}, (?:may|must)-alias\)", feed._step.program())
    assert len(aliased) == len(jax.tree.leaves(state))


def test_figures_are_fetched_at_log_intervals_only(fetches, monkeypatch, tmp_path):
    before, advance = {}, ResidentFeed.advance

    def counted(self, state, step, count):
        before[step] = len(fetches)
        return advance(self, state, step, 1)

    monkeypatch.setattr(ResidentFeed, "advance", counted)
    every = {f"training.{name}_every": "4" for name in ("log", "evaluate", "pictures", "checkpoint")}
    loop.train(config_files.override(CONFIG, {"training.steps": "8", **every}), tmp_path)
    assert before[0] == before[1] == before[2] == before[3]
    assert before[3] < before[4]
    assert before[4] == before[5] == before[6] == before[7]
