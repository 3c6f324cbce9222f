"""Adversaries learn, are gated, restarted, and weighed as the configuration says."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from conceal_jax.attributes import AttributeSet, Categorical
from conceal_jax.config import files as config_files
from conceal_jax.losses.adversarial import Adversaries

ATTRIBUTES = AttributeSet((Categorical("gender", ("male", "female")), Categorical("hat", ("no", "yes"))))
LABELS = {"gender": np.arange(512, dtype=np.int32) % 2, "hat": np.arange(512, dtype=np.int32) // 256}
MASK = jnp.arange(512) < 500
CODES = {"codes": jax.random.normal(jax.random.key(1), (512, 4)) + 2.0 * LABELS["gender"][:, None]}


def adversaries(**settings):
    named = {name.replace("__", "."): str(value) for name, value in settings.items()}
    set_here = {"adversary.learning_rate": "0.03", "penalty.attribute_weights": "()"}
    config = config_files.load_config("configs/demo.py:shrunken", {**set_here, **named})
    return Adversaries(config, ATTRIBUTES, {"codes": 4})


def only_gender(readers):
    penalty = dataclasses.replace(readers.config.penalty, attribute_weights=(1.0, 0.0))
    return dataclasses.replace(readers, config=dataclasses.replace(readers.config, penalty=penalty))


def trained(readers, steps=40):
    state = readers.begin(jax.random.key(0))
    learn = jax.jit(lambda state: readers.learn(state, CODES, LABELS, MASK, None))
    for _ in range(steps):
        state, read = learn(state)
    return state, read


def test_they_learn_what_is_there():
    readers = adversaries()
    state, _ = trained(readers)
    _, read = readers.charge(state, CODES, LABELS, MASK, None)
    assert float(read["gender"][:500].mean()) > 0.7


def test_the_charge_falls_where_codes_stop_telling():
    readers = adversaries()
    state, _ = trained(readers)

    def charge(codes):
        return jnp.sum(readers.charge(state, {"codes": codes}, LABELS, MASK, None)[0][:500])

    gradient = jax.grad(charge)(CODES["codes"])
    towards = jnp.sum(gradient * LABELS["gender"][:, None])
    assert float(towards) > 0
    assert float(charge(CODES["codes"] - 0.05 * gradient)) < float(charge(CODES["codes"]))


def test_members_that_are_wrong_are_not_misled_further():
    readers = adversaries()
    state, _ = trained(readers)
    wrong = {"codes": 1.0 - CODES["codes"]}
    _, read = readers.charge(state, wrong, LABELS, MASK, None)
    assert float(read["gender"].mean()) < 0
    paid = only_gender(readers)
    gradient = jax.grad(lambda codes: jnp.sum(paid.charge(state, {"codes": codes}, LABELS, MASK, None)[0]))
    np.testing.assert_array_equal(gradient(wrong["codes"]), 0)


def test_confusion_is_nothing_for_answers_that_say_nothing():
    readers = adversaries(adversary__loss="confusion")
    state, _ = trained(readers)
    silent = state.replace(params=jax.tree.map(jnp.zeros_like, state.params))
    np.testing.assert_allclose(readers.charge(silent, CODES, LABELS, MASK, None)[0], 0, atol=1e-6)
    assert float(readers.charge(state, CODES, LABELS, MASK, None)[0].mean()) > 0.1


@pytest.mark.parametrize(("step", "renewed"), [(9, True), (10, False)])
def test_the_weakest_member_starts_anew_on_schedule(step, renewed):
    readers = adversaries(adversary__restart_every=10)
    state, _ = trained(readers, 2)
    after = readers.restart(state, jnp.array([[0.4, 0.1]]), jnp.int32(step), jax.random.key(5)).params["codes"]
    before = state.params["codes"]
    jax.tree.map(np.testing.assert_array_equal, after["member_0"], before["member_0"])
    kernels = (params["member_1"]["Dense_0"]["kernel"] for params in (after, before))
    assert np.array_equal(*kernels) != renewed


def test_only_weights_of_attributes_above_the_target_rise():
    readers = adversaries(penalty__target=0.1, penalty__adversary=1)
    state = readers.begin(jax.random.key(0))
    raised = readers.raised(state, jnp.array([0.15, 0.05])).log_weights
    assert float(raised[0]) > 0
    assert float(raised[1]) == 0
    silent = adversaries().raised(state, jnp.array([0.9, 0.9])).log_weights
    np.testing.assert_array_equal(silent, 0)
