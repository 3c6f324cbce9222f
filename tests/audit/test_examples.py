"""Folds and splits: nobody on both sides."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from conceal_jax.audit.examples import Examples, Posterior
from conceal_jax.audit.targets import Target


def examples(size: int, people: np.ndarray | None = None) -> Examples:
    rows = np.arange(size, dtype=np.float32)[:, None]
    return Examples(rows, {"row": Target(np.arange(size, dtype=np.int32), size)}, Posterior(rows, rows), people)


@given(st.lists(st.integers(0, 8), min_size=10, max_size=60), st.integers(2, 5), st.integers(0, 9))
def test_folds_hold_everyone_once_and_nobody_twice(people, count, seed):
    person = np.array(people)
    folds = examples(len(person), person).folds(count, seed)
    assert sorted(np.concatenate(folds).tolist()) == list(range(len(person)))
    for first, fold in enumerate(folds):
        for other in folds[first + 1 :]:
            assert not set(person[fold]) & set(person[other])


def test_strangers_fall_into_folds_of_equal_size():
    assert {len(fold) for fold in examples(103).folds(5, 0)} == {20, 21}


def test_a_split_takes_everything_of_a_person_along():
    person = np.repeat(np.arange(20), 3)
    rest, part = examples(60, person).split(10, 0)
    assert len(part) == 6
    assert len(rest) == 54
    for each in (rest, part):
        np.testing.assert_array_equal(each.inputs[:, 0], each.targets["row"].labels)
        np.testing.assert_array_equal(each.posterior.mean, each.inputs)
        np.testing.assert_array_equal(each.people, each.targets["row"].labels // 3)
    assert not set(rest.people) & set(part.people)
