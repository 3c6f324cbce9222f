"""Floors on worlds where the kept labels tell a known share."""

import numpy as np
import pytest

from conceal_jax.attributes import Attribute, AttributeSet, Categorical, Continuous
from conceal_jax.audit.examples import Examples
from conceal_jax.audit.floors import Floor, floor_attackers, floor_of, kept_features
from conceal_jax.audit.protocol import attack
from conceal_jax.audit.reading import Reading
from conceal_jax.audit.targets import targets_of

GENDER, SMILE = Categorical("gender", ("male", "female")), Categorical("smile", ("no", "yes"))
POSE = Continuous("pose", -1, 1)


def world(count: int, follows: float, seed: int) -> dict[str, np.ndarray]:
    """A smile that follows gender with some probability, and is a fair coin otherwise."""
    generator = np.random.default_rng(seed)
    gender = generator.integers(0, 2, count)
    smile = np.where(generator.random(count) < follows, gender, generator.integers(0, 2, count))
    return {"gender": gender, "smile": smile, "pose": generator.uniform(-1, 1, count)}


def floor(hidden: Attribute, kept: tuple[Attribute, ...], *parts: dict[str, np.ndarray]) -> Floor:
    train, test = (
        Examples(kept_features(kept, labels), targets_of(AttributeSet((hidden,)), labels)) for labels in parts
    )
    return floor_of(attack(train, test, floor_attackers(0))[hidden.name])


@pytest.mark.parametrize("follows", [0.0, 0.4, 1.0])
def test_floor_is_what_the_kept_labels_tell(follows):
    train, test = world(4000, follows, 0), world(4000, follows, 1)
    result = floor(GENDER, (SMILE, POSE), train, test)
    assert result.chance == 0.5
    assert result.floor.value == pytest.approx((1 + follows) / 2, abs=0.02)


def test_a_nonlinear_relation_is_found():
    train, test = world(4000, 0.0, 0), world(4000, 0.0, 1)
    for labels in (train, test):
        labels["gender"] = (np.abs(labels["pose"]) > 0.5).astype(np.int32)
    assert floor(GENDER, (POSE,), train, test).floor.value > 0.95


def test_missing_kept_labels_are_no_obstacle():
    train, test = world(4000, 1.0, 0), world(4000, 1.0, 1)
    for labels in (train, test):
        labels["smile"] = np.where(np.arange(4000) % 2, -1, labels["smile"])
        labels["pose"][::3] = np.nan
    result = floor(GENDER, (SMILE, POSE), train, test)
    assert result.floor.value == pytest.approx(0.75, abs=0.03)


def test_without_kept_attributes_the_floor_is_chance():
    train, test = world(200, 0.5, 0), world(200, 0.5, 1)
    result = floor(GENDER, (), train, test)
    assert result.floor.value == result.chance == 0.5


def test_chance_counts_the_classes_among_the_test_people():
    ethnicity = Categorical("ethnicity", ("a", "b", "c", "d"))
    labels = {"ethnicity": np.arange(120) % 3}
    assert floor(ethnicity, (), labels, labels).chance == pytest.approx(1 / 3)


def test_where_no_attacker_could_learn_the_floor_is_chance():
    assert floor_of(Reading((), (3, 5))).floor.value == 0.5
