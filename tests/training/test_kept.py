"""The reader of what is kept: its skills are what they are called, masked, and learned by what it reads."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.metrics import r2_score

from conceal_jax.appearance import APPEARANCE
from conceal_jax.attributes import AttributeSet, Categorical
from conceal_jax.training.kept import create_reader, kept_skills

ATTRIBUTES = AttributeSet((Categorical("gender", ("male", "female")),), (Categorical("smile", ("no", "yes")),))
GENERATOR = np.random.default_rng(0)
DECODED = jnp.asarray(GENERATOR.normal(size=(40, 3)), jnp.float32)
LABELS = {"smile": GENERATOR.integers(0, 2, 40).astype(np.int32)} | {
    spec.name: GENERATOR.uniform(spec.low, spec.high, 40).astype(np.float32) for spec in APPEARANCE
}
MASK = jnp.arange(40) < 32
PARAMS = create_reader(ATTRIBUTES).init(jax.random.key(0), DECODED)["params"]


def skills(params, labels=LABELS):
    return kept_skills(params, DECODED, labels, MASK, ATTRIBUTES, None)


def test_a_silent_reader_has_no_skill():
    for name, each in skills(jax.tree.map(jnp.zeros_like, PARAMS)).items():
        assert float(each[:32].mean()) == pytest.approx(0, abs=1e-5), name


def test_brightness_is_kept_and_colour_which_tells_ethnicity_is_not():
    assert list(skills(PARAMS)) == ["smile", "luminance"]


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
