"""Identification in worlds of people with known variances."""

import numpy as np
import pytest

from conceal_jax.audit.statistics import clopper_pearson
from conceal_jax.audit.utility import MIN_PEOPLE, identification

SIZE = 32


def people_world(people, photos, person_spread, nuisance, seed):
    """Codes: a person's own mean in 20 dimensions, plus noise that is strong in the first five."""
    generator = np.random.default_rng(seed)
    noise = np.ones(20)
    noise[:5] = nuisance
    person = np.repeat(np.arange(people), photos)
    means = generator.normal(size=(people, 20)) * person_spread
    codes = means[person] + noise * generator.normal(size=(len(person), 20))
    return codes.astype(np.float32), person + 10_000 * seed


def drawn_faces(people, seed):
    """Pictures: each person has a coarse pattern of their own; brightness differs from photo to photo."""
    generator = np.random.default_rng(seed)
    patterns = generator.integers(60, 180, (people, 4, 4, 3)).repeat(SIZE // 4, axis=1).repeat(SIZE // 4, axis=2)
    person = np.repeat(np.arange(people), 3)
    light = generator.integers(-50, 50, (len(person), 1, 1, 1))
    noise = generator.normal(0, 10, (len(person), SIZE, SIZE, 3))
    return np.clip(patterns[person] + light + noise, 0, 255).astype(np.uint8), person + 1000 * seed


def test_people_are_recognised_where_they_differ_much_and_at_chance_where_they_do_not():
    clear = identification(*people_world(200, 4, 3.0, 1.0, 0), *people_world(100, 2, 3.0, 1.0, 1), seed=0)
    assert clear is not None
    assert clear.rate.value > 0.95
    assert clear.people == 100
    assert clear.chance == 0.01
    none = identification(*people_world(200, 4, 0.0, 1.0, 0), *people_world(100, 2, 0.0, 1.0, 1), seed=0)
    assert none is not None
    assert none.rate.ci95[0] <= none.chance <= none.rate.ci95[1]


def test_what_differs_between_photos_of_one_person_is_learned_to_be_ignored():
    train, test = people_world(300, 4, 2.0, 30.0, 0), people_world(100, 2, 2.0, 30.0, 1)
    found = identification(*train, *test, seed=0)
    assert found is not None
    first, second = test[0][::2], test[0][1::2]
    cosines = first @ second.T / np.outer(np.linalg.norm(first, axis=1), np.linalg.norm(second, axis=1))
    untaught = np.mean(cosines.argmax(axis=1) == np.arange(100))
    assert untaught < 0.3
    assert found.rate.value > 0.8


def test_the_interval_is_that_of_a_share_of_people():
    found = identification(*people_world(200, 4, 0.7, 1.0, 0), *people_world(60, 5, 0.7, 1.0, 1), seed=0)
    assert found is not None
    assert found.people == 60
    assert 0.05 < found.rate.value < 0.95
    low, high = clopper_pearson(np.asarray(round(found.rate.value * 60)), np.asarray(60))
    assert found.rate.ci95 == (low, high)


def test_pictures_are_matched_whatever_their_brightness():
    found = identification(*drawn_faces(60, 1), *drawn_faces(40, 2), seed=0)
    assert found is not None
    assert found.rate.value > 0.9


def test_the_same_seed_takes_the_same_photos_and_names_may_be_texts():
    train, test = people_world(100, 4, 0.7, 1.0, 0), people_world(60, 5, 0.7, 1.0, 1)
    names = tuple(np.array([f"p{number:06d}" for number in people]) for people in (train[1], test[1]))
    assert identification(*train, *test, seed=0) == identification(train[0], names[0], test[0], names[1], seed=0)
    rates = {identification(*train, *test, seed=seed).rate.value for seed in range(4)}
    assert len(rates) > 1


def test_a_single_photo_is_nothing_to_match():
    train, (codes, people) = people_world(100, 4, 3.0, 1.0, 0), people_world(60, 2, 3.0, 1.0, 1)
    alone = np.arange(60) + 50_000
    found = identification(*train, np.concatenate([codes, codes[:60]]), np.concatenate([people, alone]), seed=0)
    assert found is not None
    assert found.people == 60


def test_too_few_people_give_no_figure():
    many, few = people_world(100, 3, 3.0, 1.0, 0), people_world(MIN_PEOPLE - 1, 3, 3.0, 1.0, 1)
    assert identification(*many, *few, seed=0) is None
    assert identification(*few, *many, seed=0) is None
    assert identification(many[0], np.arange(300), *people_world(60, 2, 3.0, 1.0, 1), seed=0) is None


def test_dimensions_that_never_vary_and_copies_of_photos_are_no_obstacle():
    train, test = people_world(100, 1, 3.0, 1.0, 0), people_world(60, 1, 3.0, 1.0, 1)
    (train_codes, train_people), (test_codes, test_people) = (
        (np.pad(codes.repeat(2, axis=0), ((0, 0), (0, 3))), people.repeat(2)) for codes, people in (train, test)
    )
    found = identification(train_codes, train_people, test_codes, test_people, seed=0)
    assert found is not None
    assert found.rate.value == 1.0


def test_wrong_input_is_refused():
    train, test = people_world(60, 2, 3.0, 1.0, 0), people_world(60, 2, 3.0, 1.0, 1)
    with pytest.raises(ValueError, match="got 120 test codes or pictures of 119 people"):
        identification(*train, test[0], test[1][:-1], seed=0)
    with pytest.raises(ValueError, match="60 people are in train and in test, such as 0"):
        identification(*train, test[0], train[1], seed=0)
