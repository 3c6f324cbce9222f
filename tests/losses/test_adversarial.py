"""Adversaries learn what is there, and the censor is charged for what they read, where they read better than chance."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from conceal_jax.attributes import AttributeSet, Categorical
from conceal_jax.config import files as config_files
from conceal_jax.losses.adversarial import adversarial_charge, create_adversaries, update_adversaries

ATTRIBUTES = AttributeSet((Categorical("gender", ("male", "female")), Categorical("hat", ("no", "yes"))))
LABELS = {"gender": np.arange(512, dtype=np.int32) % 2, "hat": np.arange(512, dtype=np.int32) // 256}
MASK = jnp.arange(512) < 500
CODES = jax.random.normal(jax.random.key(1), (512, 4)) + 2.0 * LABELS["gender"][:, None]
OVERRIDES = {"adversary.learning_rate": "0.03", "penalty.adversary": "1", "penalty.attribute_weights": "()"}
CONFIG = config_files.load_config("configs/demo.py:shrunken", OVERRIDES)
GENDER_ALONE = config_files.override(CONFIG, {"penalty.attribute_weights": "(1.0, 0.0)"})


@functools.cache
def trained():
    state = create_adversaries(jax.random.key(0), {"codes": 4}, CONFIG.adversary, ATTRIBUTES.width)
    update = jax.jit(
        lambda state: update_adversaries(
            state, {"codes": CODES}, LABELS, MASK, attributes=ATTRIBUTES, config=CONFIG.adversary
        )
    )
    for _ in range(40):
        state = update(state)
    return state.params


def charge(codes, config=CONFIG):
    return adversarial_charge(trained(), {"codes": codes}, LABELS, MASK, attributes=ATTRIBUTES, config=config)


def test_adversaries_learn_what_is_there():
    _, skills = charge(CODES)
    assert float(skills["gender"][:500].mean()) > 0.7


def test_the_charge_falls_where_codes_stop_leaking():
    def total(codes):
        return jnp.sum(charge(codes)[0][:500])

    gradient = jax.grad(total)(CODES)
    assert float(jnp.sum(gradient * LABELS["gender"][:, None])) > 0
    assert float(total(CODES - 0.05 * gradient)) < float(total(CODES))


def test_the_price_multiplies_the_charge():
    dear = config_files.override(CONFIG, {"penalty.adversary": "7"})
    np.testing.assert_allclose(charge(CODES, dear)[0], 7 * charge(CODES)[0], rtol=1e-6)


def test_members_that_are_wrong_are_not_misled_further():
    wrong = 1.0 - CODES
    assert float(charge(wrong)[1]["gender"].mean()) < 0
    gradient = jax.grad(lambda codes: jnp.sum(charge(codes, GENDER_ALONE)[0]))
    np.testing.assert_array_equal(gradient(wrong), 0)
