"""The censor's step: the same on any number of devices, and in a world whose answer is known it takes out the label."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score

from conceal_jax.attributes import AttributeSet, Categorical
from conceal_jax.attributes.appearance import APPEARANCE
from conceal_jax.config import files as config_files
from conceal_jax.models.vae import create_censor
from conceal_jax.runtime.parallel import create_mesh, map_step, replicate, shard_batch
from conceal_jax.training import stages
from conceal_jax.training.censor_step import batch_parts, bind_censor_step
from conceal_jax.training.codes import CodeSet
from conceal_jax.training.feed import ResidentFeed
from conceal_jax.training.state import create_optimizer

BASE = {"model.latent_dim": "6", "censor.steps": "40", "censor.batch_size": "16", "censor.beta": "1"}
BASE |= {"censor.neutral": "0.2", "censor.kept": "0", "censor.brightness": "0", "penalty.adversary": "0"}
BASE |= {"penalty.attribute_weights": "()"}
EVERYTHING = {"penalty.adversary": "20", "censor.kept": "5", "censor.brightness": "5"}
MULTIPLIER = {"censor.rate_target": "4"}


def configured(overrides):
    return config_files.load_config("configs/demo.py:shrunken", {**BASE, **overrides})


def bound(config, attributes):
    optimizer = create_optimizer(stages.censor_schedule(config))
    return bind_censor_step(create_censor(config), attributes, optimizer, config)


def draw_batch(attributes, size, generator):
    return {
        "code": generator.normal(size=(size, 6)).astype(np.float32),
        "curvature": generator.uniform(0, 9, (size, 6)).astype(np.float32),
        "labels": {
            spec.name: generator.integers(0, 2, size).astype(spec.dtype)
            if isinstance(spec, Categorical)
            else generator.uniform(spec.low, spec.high, size).astype(np.float32)
            for spec in (*attributes.all, *APPEARANCE)
        },
        "mask": np.arange(size) < size - 9,
    }


@functools.cache
def after_steps(devices, mapping):
    config = configured({**EVERYTHING, **MULTIPLIER})
    mesh = create_mesh(jax.devices()[:devices])
    attributes = config.attributes
    step = map_step(bound(config, attributes), mesh, mapping)
    state = replicate(stages.censor_state({}, config, attributes), mesh)
    generator, losses = np.random.default_rng(0), []
    for _ in range(3):
        batch = draw_batch(attributes, 16 * batch_parts(config), generator)
        state, sums = step(state, shard_batch(batch, mesh))
        losses.append(sums.means())
    return jax.device_get(state), losses


@pytest.mark.parametrize(("devices", "mapping"), [(2, "pmap"), (8, "pmap"), (4, "jit")])
def test_devices_and_mappings_agree(devices, mapping):
    state, losses = after_steps(1, "pmap")
    other, other_losses = after_steps(devices, mapping)
    for row, other_row in zip(losses, other_losses, strict=True):
        np.testing.assert_allclose(other_row["loss"], row["loss"], rtol=1e-5)
        for name, value in row.items():
            np.testing.assert_allclose(other_row[name], value, rtol=2e-3, atol=2e-4, err_msg=name)
    np.testing.assert_allclose(other.log_beta, state.log_beta, rtol=1e-4)
    for leaf, twin in zip(jax.tree.leaves(state.params), jax.tree.leaves(other.params), strict=True):
        np.testing.assert_allclose(twin, leaf, atol=3e-3)


def test_without_penalties_there_is_no_adversary_and_the_whole_batch_teaches():
    config = configured({})
    assert batch_parts(config) == 1
    assert stages.censor_state({}, config, config.attributes).adversary is None


WORLD = AttributeSet((Categorical("gender", ("male", "female"), neutral=(0.5, 0.5)),))
PEOPLE = 4000


def censored(overrides):
    """Balanced accuracy of a fresh attacker on released codes of people not learned from, and the error of what stays.

    First codes are the label, in two of six numbers and in each with noise, and four numbers that have nothing to do
    with it.
    """
    generator = np.random.default_rng(3)
    gender = generator.integers(0, 2, PEOPLE).astype(np.int32)
    code = generator.normal(size=(PEOPLE, 6)).astype(np.float32)
    code[:, :2] = 0.3 * code[:, :2] + (2 * gender - 1)[:, None]
    schedule = {"censor.steps": "400", "training.warmup_steps": "20", "censor.batch_size": "128"}
    config = dataclasses.replace(configured(schedule | overrides), attributes=WORLD)
    mesh = create_mesh(jax.devices()[:1])
    step, learned = bound(config, WORLD), PEOPLE // 2
    curvature = np.full((learned, 1, 6), 30.0, np.float32)
    items = CodeSet(code[:learned, None], curvature, {"gender": gender[:learned]}, np.ones(learned, bool))
    feed = ResidentFeed(items, step, config.censor.batch_size * batch_parts(config), config, mesh)
    state = replicate(stages.censor_state({}, config, WORLD), mesh)
    for index in range(config.censor.steps):
        state, _, _ = feed.advance(state, index, 1)
    run = functools.partial(create_censor(config).apply, {"params": state.params["censor"]})
    posterior = run(jnp.asarray(code), jnp.zeros((len(code), 0)), method="encode")
    noise = jax.random.normal(jax.random.key(8), posterior.mean.shape)
    codes = np.asarray(run(posterior, noise, method="sample"))
    decoded = run(jnp.asarray(codes), WORLD.encode({"gender": gender}), method="decode")
    attacker = LogisticRegression().fit(codes[:learned], gender[:learned])
    accuracy = balanced_accuracy_score(gender[learned:], attacker.predict(codes[learned:]))
    return accuracy, float(np.mean(np.square(decoded - code)[learned:]))


def test_the_bare_method_tells_the_label_and_the_adversaries_take_it_out():
    bare, carried = censored({})
    assert bare > 0.75
    concealed, kept = censored({"penalty.adversary": "60", "adversary.learning_rate": "0.003"})
    assert concealed < 0.58
    # Of six numbers with a variance of about 1.
    assert kept < carried + 0.15
