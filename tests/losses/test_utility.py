"""The reader of what is kept: its skills are what they are called, masked, and learned by what it reads."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.metrics import r2_score

from conceal_jax.attributes import AttributeSet, Categorical
from conceal_jax.attributes.appearance import APPEARANCE
from conceal_jax.config import CensorConfig
from conceal_jax.losses.utility import create_reader, has_reader, kept_skills, read_colour, utility_payment

ATTRIBUTES = AttributeSet((Categorical("gender", ("male", "female")),), (Categorical("smile", ("no", "yes")),))
GENERATOR = np.random.default_rng(0)
DECODED = jnp.asarray(GENERATOR.normal(size=(40, 3)), jnp.float32)
LABELS = {"smile": GENERATOR.integers(0, 2, 40).astype(np.int32)} | {
    spec.name: GENERATOR.uniform(spec.low, spec.high, 40).astype(np.float32) for spec in APPEARANCE
}
MASK = jnp.arange(40) < 32
PARAMS = create_reader(ATTRIBUTES).init(jax.random.key(0), DECODED)["params"]


def skills(params, labels=LABELS, decoded=DECODED):
    return kept_skills(params, decoded, labels, MASK, ATTRIBUTES, None)


def test_a_silent_reader_has_no_skill():
    for name, each in skills(jax.tree.map(jnp.zeros_like, PARAMS)).items():
        assert float(each[:32].mean()) == pytest.approx(0, abs=1e-5), name


def test_brightness_is_paid_for_and_colour_which_tells_ethnicity_teaches_the_reader_alone():
    assert list(skills(PARAMS)) == ["smile", *(spec.name for spec in APPEARANCE)]
    for name in skills(PARAMS):
        by_reader, by_code = jax.grad(
            lambda params, decoded, name=name: skills(params, decoded=decoded)[name].sum(), argnums=(0, 1)
        )(PARAMS, DECODED)
        assert np.any(by_reader["kernel"])
        assert bool(np.any(by_code)) == (name in ("smile", "luminance")), name


def test_colour_is_seen_as_the_reader_reads_it_and_does_not_change_the_reader():
    answers = np.asarray(DECODED @ PARAMS["kernel"] + PARAMS["bias"])
    np.testing.assert_allclose(read_colour(PARAMS, DECODED, ATTRIBUTES), answers[:, 3:], rtol=1e-5)
    gradient = jax.grad(lambda params: read_colour(params, DECODED, ATTRIBUTES).sum())(PARAMS)
    assert not any(np.any(leaf) for leaf in jax.tree.leaves(gradient))


def test_the_mean_skill_of_a_value_is_r2():
    values = LABELS["luminance"][:32]
    answers = np.asarray(DECODED @ PARAMS["kernel"] + PARAMS["bias"])[:32, 2]
    expected = r2_score(values, values.mean() + values.std() * answers)
    assert float(skills(PARAMS)["luminance"][:32].mean()) == pytest.approx(expected, abs=1e-4)


def test_masked_and_missing_examples_say_nothing():
    luminance, smile = LABELS["luminance"].copy(), LABELS["smile"].copy()
    luminance[3], smile[3], luminance[35] = np.nan, -1, 0.9
    found = skills(PARAMS, {**LABELS, "luminance": luminance, "smile": smile})
    assert float(found["luminance"][3]) == float(found["smile"][3]) == 0
    luminance[35] = 0.1
    again = skills(PARAMS, {**LABELS, "luminance": luminance, "smile": smile})
    np.testing.assert_array_equal(found["luminance"], again["luminance"])


def test_gradients_are_finite_where_all_values_are_equal_or_missing():
    for value in (0.5, np.nan):
        labels = {**LABELS, "luminance": np.full(40, value, np.float32)}
        gradient = jax.grad(
            lambda params, labels=labels: sum(jnp.sum(each) for each in skills(params, labels).values())
        )
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient(PARAMS)))


def test_what_is_kept_and_brightness_have_prices_of_their_own():
    found = skills(PARAMS)
    colour = found["red_green"] + found["blue_yellow"]
    paid = utility_payment(found, CensorConfig(kept=30.0, brightness=7.0)) - colour
    np.testing.assert_allclose(paid, 30 * found["smile"] + 7 * found["luminance"], rtol=1e-4, atol=1e-3)


def test_there_is_a_reader_where_anything_is_paid_for():
    assert not has_reader(CensorConfig())
    assert has_reader(CensorConfig(kept=1.0))
    assert has_reader(CensorConfig(brightness=1.0))
