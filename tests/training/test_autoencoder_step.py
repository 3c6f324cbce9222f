import functools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from conceal_jax.config import files as config_files
from conceal_jax.data.resident import load_resident
from conceal_jax.data.sources.open import open_collection
from conceal_jax.losses.elbo import MULTIPLIER_RATE
from conceal_jax.models.vae import create_model
from conceal_jax.runtime.collectives import example_noise
from conceal_jax.runtime.parallel import create_mesh, map_step, replicate, shard_batch
from conceal_jax.training.autoencoder_step import bind_autoencoder_step
from conceal_jax.training.evaluator import evaluation_step, padded_batches
from conceal_jax.training.state import create_optimizer, create_state

CONFIG = config_files.load_config(
    "configs/demo.py:shrunken", {"data.synthetic_count": "48", "training.steps": "40", "objective.rate_target": "5"}
)
MODEL, OPTIMIZER = create_model(CONFIG), create_optimizer(CONFIG.training)
STEP = bind_autoencoder_step(MODEL, CONFIG.attributes, OPTIMIZER, CONFIG)


@pytest.fixture(scope="module")
def batches():
    resident = load_resident(open_collection(CONFIG.data, CONFIG.attributes, 0).subset("train"), 32, "center")
    return list(padded_batches(resident, 16))


@functools.cache
def compiled(devices, mapping, overrides=()):
    mesh = create_mesh(jax.devices()[:devices])
    config = config_files.override(CONFIG, dict(overrides))
    return mesh, map_step(
        bind_autoencoder_step(create_model(config), config.attributes, OPTIMIZER, config), mesh, mapping
    )


def run(batches, devices=1, mapping="pmap", overrides=()):
    mesh, step = compiled(devices, mapping, overrides)
    state, losses = replicate(create_state(MODEL, OPTIMIZER, CONFIG), mesh), []
    for batch in batches:
        state, sums = step(state, shard_batch(batch, mesh))
        losses.append(sums.means()["loss"])
    return jax.device_get(state), losses


def test_the_tail_batch_has_padding(batches):
    assert batches[0]["mask"].all()
    assert 0 < batches[-1]["mask"].sum() < 16


def test_training_lowers_the_loss(batches):
    _, losses = run(batches[:1] * 20)
    assert losses[-1] < 0.7 * losses[0]


PENALTY = ("penalty.moments", "5")


@pytest.mark.parametrize(("devices", "mapping"), [(2, "pmap"), (4, "pmap"), (8, "pmap"), (1, "jit"), (8, "jit")])
def test_devices_and_mappings_agree(batches, devices, mapping):
    """Also on a tail batch that leaves some devices with padding alone, and with a penalty on the whole batch."""
    state, losses = run(batches, overrides=(PENALTY,))
    other_state, other_losses = run(batches, devices, mapping, (PENALTY,))
    np.testing.assert_allclose(other_losses, losses, rtol=1e-5)
    np.testing.assert_allclose(other_state.log_beta, state.log_beta, rtol=1e-5)
    for leaf, other in zip(jax.tree.leaves(state.params), jax.tree.leaves(other_state.params), strict=True):
        np.testing.assert_allclose(other, leaf, atol=5e-4)


REMAT, PARTS = ("model.remat", "True"), ("training.microbatches", "4")


@pytest.mark.parametrize(
    ("devices", "mapping", "overrides"),
    [(1, "pmap", (REMAT,)), (1, "pmap", (PARTS,)), (4, "pmap", (REMAT, PARTS)), (4, "jit", (REMAT, PARTS))],
)
def test_less_memory_gives_the_same_step(batches, devices, mapping, overrides):
    """Also on a tail batch, of which some parts are padding alone."""
    state, losses = run(batches)
    other_state, other_losses = run(batches, devices, mapping, overrides)
    np.testing.assert_allclose(other_losses, losses, rtol=1e-5)
    for leaf, other in zip(jax.tree.leaves(state.params), jax.tree.leaves(other_state.params), strict=True):
        np.testing.assert_allclose(other, leaf, atol=5e-4)


def test_remat_computes_again_and_microbatches_take_less_memory(batches):
    """What remat saves is up to the compiler's schedule; XLA:CPU makes nothing of it."""
    batch = jax.tree.map(lambda leaf: np.concatenate([leaf, leaf]), batches[0])
    mesh, found = create_mesh(jax.devices()[:1]), []
    for overrides in ({}, dict([REMAT]), dict([PARTS])):
        config = config_files.override(CONFIG, {"model.widths": "(8,)", "model.blocks": "(1,)", **overrides})
        model = create_model(config)
        step = map_step(bind_autoencoder_step(model, config.attributes, OPTIMIZER, config), mesh, "pmap")
        state = replicate(create_state(model, OPTIMIZER, config), mesh)
        found.append(step.compile(state, shard_batch(batch, mesh)))
    plain, remat, parts = found
    assert remat.flops > 1.05 * plain.flops
    assert parts.temporary_bytes < 0.5 * plain.temporary_bytes


def test_parts_that_do_not_come_out_even_are_refused(batches):
    with pytest.raises(ValueError, match=r"share of 2 pictures cannot be cut into training\.microbatches=4"):
        run(batches, 8, "pmap", (PARTS,))


def test_padding_changes_nothing(batches):
    tail = batches[-1]
    changed = {**tail, "image": np.where(tail["mask"][:, None, None, None], tail["image"], 255).astype(np.uint8)}
    for leaf, other in zip(*(jax.tree.leaves(run([batch])[0]) for batch in (tail, changed)), strict=True):
        np.testing.assert_array_equal(leaf, other)


def test_noise_does_not_depend_on_the_number_of_devices():
    key = jax.random.key(3)
    whole = example_noise(key, 8, 5, None)
    shares = jax.vmap(lambda _: example_noise(key, 2, 5, "i"), axis_name="i", axis_size=4)(jnp.arange(4))
    # The same random bits; the compiler may round their transformation differently from one shape to the other.
    np.testing.assert_allclose(shares.reshape(8, 5), whole, rtol=1e-6)


def test_every_step_has_fresh_noise_and_a_repeat_has_the_same(batches):
    state = create_state(MODEL, OPTIMIZER, CONFIG)
    step_function = jax.jit(STEP)
    losses = [
        float(step_function(state.replace(step=jnp.int32(step)), batches[0])[1].totals["loss"]) for step in (0, 0, 1)
    ]
    assert losses[0] == losses[1] != losses[2]


def test_ema_follows_the_parameters(batches):
    state, _ = run(batches[:2])
    start = create_state(MODEL, OPTIMIZER, CONFIG)
    for first, averaged, last in zip(
        *(jax.tree.leaves(tree) for tree in (start.params, state.ema_params, state.params)), strict=True
    ):
        low, high = np.minimum(first, last), np.maximum(first, last)
        # Two steps only: the average lies between the first parameters and the last, up to the path's bend.
        assert np.mean((averaged >= low - 1e-6) & (averaged <= high + 1e-6)) > 0.5


def test_the_weight_follows_the_rate_towards_its_target(batches):
    mesh, step = compiled(1, "pmap")
    state = replicate(create_state(MODEL, OPTIMIZER, CONFIG), mesh)
    before = float(state.log_beta)
    state, sums = step(state, shard_batch(batches[0], mesh))
    excess = np.clip(sums.means()["rate"] / CONFIG.objective.rate_target - 1, -1, 1)
    np.testing.assert_allclose(state.log_beta - before, MULTIPLIER_RATE * excess, rtol=1e-3)


def test_evaluation_step_measures_what_training_measures(batches):
    mesh, step = compiled(1, "pmap")
    state = create_state(MODEL, OPTIMIZER, CONFIG)
    parts = {"model": MODEL, "attributes": CONFIG.attributes, "objective": CONFIG.objective}
    evaluated = jax.jit(partial(evaluation_step, **parts))(state.params, batches[-1], jax.random.key(0)).means()
    trained = step(replicate(state, mesh), shard_batch(batches[-1], mesh))[1].means()
    # The noise differs; the pictures, the mask and the rate do not.
    np.testing.assert_allclose(evaluated["rate"], trained["rate"], rtol=1e-4)
    np.testing.assert_allclose(evaluated["psnr_db"], trained["psnr_db"], atol=0.3)


def test_batches_that_cannot_be_shared_are_refused(batches):
    odd = jax.tree.map(lambda leaf: leaf[:15], batches[0])
    with pytest.raises(ValueError, match="a batch of 15 cannot be shared by 8 devices"):
        shard_batch(odd, create_mesh())
