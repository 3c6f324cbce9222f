"""Skill: chance is 0, everything is 1, the missing is nothing."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from conceal_jax.attributes import AttributeSet, Categorical, Continuous
from conceal_jax.losses.skill import skill

ATTRIBUTES = AttributeSet(
    (
        Categorical("gender", ("male", "female"), neutral=(0.8, 0.2)),
        Continuous("age", 0, 100, "years", knots=(0, 50, 100), neutral=(0.25, 0.5, 0.25)),
    )
)
LABELS = {
    "gender": np.array([0, 0, 0, 0, 1], np.int32),
    "age": np.array([0, 50, 25, 75, 100], np.float32),
}


def test_a_constant_answer_has_no_skill_whatever_the_shares():
    read = skill(jnp.zeros((2, 5, 5)), LABELS, ATTRIBUTES.concealed)
    for skills in read.values():
        np.testing.assert_allclose(skills, 0, atol=1e-6)
    # The common class alone is no skill either: the rare one weighs as much.
    always = jnp.zeros((1, 5, 5)).at[..., 0].set(3.0)
    assert float(skill(always, LABELS, ATTRIBUTES.concealed)["gender"].mean()) < 0


def test_certain_and_right_is_everything():
    logits = 50.0 * np.asarray(ATTRIBUTES.encode(LABELS))[None]
    assert float(skill(jnp.asarray(logits), LABELS, ATTRIBUTES.concealed)["gender"].mean()) == pytest.approx(1)


def test_a_value_between_knots_is_read_best_with_its_own_weights():
    labels = {"gender": np.zeros(1, np.int32), "age": np.array([25.0], np.float32)}

    def read(weights: list[float]) -> float:
        logits = jnp.concatenate([jnp.zeros(2), jnp.log(jnp.array(weights) + 1e-6)])[None, None]
        return float(skill(logits, labels, ATTRIBUTES.concealed)["age"][0, 0])

    # Of knots 0 and 50, weighed by 1/.75 and 1/1.5: 2 to 1.
    assert read([2 / 3, 1 / 3, 0]) > max(read([0.8, 0.2, 0]), read([0.5, 0.5, 0]), read([1, 0, 0]))


def test_missing_labels_are_not_read():
    labels = {"gender": np.array([-1, 1], np.int32), "age": np.array([np.nan, 50], np.float32)}
    logits = jax.random.normal(jax.random.key(0), (1, 2, 5))
    for skills in skill(logits, labels, ATTRIBUTES.concealed).values():
        assert float(skills[0, 0]) == 0
        assert float(skills[0, 1]) != 0
