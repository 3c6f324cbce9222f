import numpy as np
import pytest

from conceal_jax.attributes import AGE_GROUPS, AttributeSet, Categorical, Continuous
from conceal_jax.audit.targets import Target, joint_targets, require_readable, targets_of, value_of

ATTRIBUTES = AttributeSet(
    (Categorical("gender", ("male", "female")), Continuous("age", 0, 100, "years", edges=AGE_GROUPS)),
    (Continuous("pose", -1, 1),),
)


def labels(count: int) -> dict[str, np.ndarray]:
    return {
        "gender": np.arange(count) % 2,
        "age": np.linspace(0, 99, count),
        "pose": np.linspace(-1, 1, count),
    }


def test_concealed_values_are_read_as_groups_too_and_kept_ones_are_not():
    targets = targets_of(ATTRIBUTES, labels(50))
    assert list(targets) == ["gender", "age", value_of("age"), value_of("pose")]
    assert [target.class_count for target in targets.values()] == [2, 9, 0, 0]


def test_missing_labels_are_not_known():
    given = labels(50)
    given["gender"][3], given["age"][4] = -1, np.nan
    targets = targets_of(ATTRIBUTES, given)
    assert np.flatnonzero(~targets["gender"].known).tolist() == [3]
    assert np.flatnonzero(~targets["age"].known).tolist() == [4]
    assert np.flatnonzero(~targets[value_of("age")].known).tolist() == [4]


def test_labels_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match=r"different lengths .*'pose': 50"):
        targets_of(ATTRIBUTES, {**labels(50), "gender": np.zeros(49)})


def test_an_attribute_without_labels_is_refused():
    given = labels(50)
    del given["pose"]
    with pytest.raises(ValueError, match="no labels for pose"):
        targets_of(ATTRIBUTES, given)


def test_few_people_are_refused_with_their_number():
    enough, few = targets_of(ATTRIBUTES, labels(50)), targets_of(ATTRIBUTES, labels(12))
    with pytest.raises(ValueError, match=r"gender: got 12 labelled train examples.*at least 40"):
        require_readable(few, enough)


def test_missing_labels_do_not_count_as_people():
    given = labels(50)
    given["gender"][5:] = -1
    targets = targets_of(ATTRIBUTES, given)
    with pytest.raises(ValueError, match="gender: got 5 labelled test examples"):
        require_readable(targets_of(ATTRIBUTES, labels(50)), targets)


def test_one_class_only_is_refused():
    given = {**labels(50), "gender": np.ones(50)}
    with pytest.raises(ValueError, match="gender: all 50 labelled test examples have the same label"):
        require_readable(targets_of(ATTRIBUTES, labels(50)), targets_of(ATTRIBUTES, given))


def test_a_joint_question_is_about_conjunctions_with_people_enough():
    first = np.repeat([0, 0, 1, 1], [50, 50, 50, 5]).astype(np.int32)
    second = np.repeat([0, 1, 0, 1], [50, 50, 50, 5]).astype(np.int32)
    missing = np.where(np.arange(155) == 0, -1, first).astype(np.int32)
    part = {"a": Target(missing, 2), "b": Target(second, 2)}
    train, test, conjunctions = joint_targets(part, part, ["a", "b"])
    assert conjunctions == ((0, 0), (0, 1), (1, 0))
    assert train.class_count == 3
    assert np.bincount(train.labels[train.known]).tolist() == [49, 50, 50]
    np.testing.assert_array_equal(train.labels, test.labels)
    assert not train.known[0]
    assert not train.known[-5:].any()
