import json

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conceal_jax.attributes import AGE_GROUPS, AttributeSet, Categorical, Continuous

GENDER = Categorical("gender", ("male", "female"))
AGE = Continuous("age", 0, 120, "years", knots=(0, 5, 20, 60, 120), edges=AGE_GROUPS)
ATTRIBUTES = AttributeSet((GENDER, AGE), (Categorical("smile", ("no", "yes"), threshold=0.5),))


def test_categorical_encoding_is_one_hot_and_neutral_where_missing():
    gender = Categorical("gender", ("male", "female"), neutral=(0.25, 0.75))
    encoded = gender.encode(np.array([0, 1, -1], np.int32))
    np.testing.assert_allclose(encoded, [[1, 0], [0, 1], [0.25, 0.75]])


@given(st.floats(0, 120, width=32))
def test_continuous_encoding_gives_the_value_back(value):
    weights = np.asarray(AGE.encode(np.array([value], np.float32)))[0]
    assert weights.min() >= 0
    assert np.count_nonzero(weights) <= 2
    np.testing.assert_allclose(weights.sum(), 1, rtol=1e-6)
    np.testing.assert_allclose(weights @ np.array(AGE.knots), value, rtol=1e-5, atol=1e-4)


@given(st.floats(0, 119), st.floats(0, 1))
def test_continuous_encoding_is_continuous(value, change):
    near, far = np.asarray(AGE.encode(np.array([value, value + change], np.float32)))
    # The closest knots are 5 years apart: no weight moves by more than a fifth for each year.
    assert np.abs(near - far).max() <= change / 5 + 1e-5


def test_missing_value_is_encoded_as_neutral_vector():
    np.testing.assert_allclose(AGE.encode(np.array([np.nan], np.float32))[0], AGE.neutral_vector())


def test_age_groups_have_the_documented_names_and_borders():
    assert AGE.group_names == ("0-2", "3-9", "10-19", "20-29", "30-39", "40-49", "50-59", "60-69", "70+")
    ages = np.array([0, 2, 2.9, 3, 9, 69, 70, 120, np.nan], np.float32)
    np.testing.assert_array_equal(AGE.groups(ages), [0, 0, 0, 1, 1, 7, 8, 8, -1])


def test_parse_makes_the_label_vector_that_encode_makes():
    labels = {"gender": np.array([1], np.int32), "age": np.array([40], np.float32)}
    np.testing.assert_allclose(ATTRIBUTES.parse("gender=female, age=40"), ATTRIBUTES.encode(labels)[0])


def test_parse_leaves_neutral_what_is_not_asked_for():
    np.testing.assert_allclose(ATTRIBUTES.parse("neutral"), ATTRIBUTES.neutral_vector())
    np.testing.assert_allclose(ATTRIBUTES.parse("gender=MALE")[2:], AGE.neutral_vector())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gender", "write name=value"),
        ("height=3", "unknown attribute 'height'; the concealed ones are gender, age"),
        ("smile=yes", "unknown attribute 'smile'"),
        ("gender=woman", "unknown class 'woman'; it is one of male, female"),
        ("age=-3", "age: got -3; it must lie from 0 to 120 years"),
        ("age=old", "give a number from 0 to 120 years"),
        ("age=nan", "it must lie from 0 to 120 years"),
        ("age=3,age=4", "requested twice"),
    ],
)
def test_parse_refuses(text, message):
    with pytest.raises(ValueError, match=message):
        ATTRIBUTES.parse(text)


def test_neutral_is_the_marginal_of_known_labels():
    labels = {
        "gender": np.array([0, 0, 1, -1], np.int32),
        "age": np.array([5, 20, np.nan, 40], np.float32),
    }
    fitted = ATTRIBUTES.with_neutral(labels)
    np.testing.assert_allclose(fitted.neutral_vector(), [2 / 3, 1 / 3, 0, 1 / 3, 1 / 2, 1 / 6, 0], rtol=1e-6)


def test_neutral_needs_a_label():
    with pytest.raises(ValueError, match="no example has a label for 'gender'"):
        ATTRIBUTES.with_neutral({"gender": np.array([-1], np.int32), "age": np.array([4], np.float32)})


def test_json_keeps_everything(tmp_path):
    labels = {"gender": np.array([0, 1], np.int32), "age": np.array([5, 30], np.float32)}
    fitted = ATTRIBUTES.with_neutral(labels)
    fitted.save(tmp_path / "attributes.json")
    assert AttributeSet.load(tmp_path / "attributes.json") == fitted


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"concealed": 3, "kept": []}', '{"concealed": [{}], "kept": []}'])
def test_json_of_another_kind_is_refused(text):
    with pytest.raises(ValueError, match="not an attribute file"):
        AttributeSet.from_json(text)


def test_json_says_which_version_wrote_it():
    assert "version" in json.loads(ATTRIBUTES.to_json())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Categorical("gender", ("male",)), "at least two"),
        (lambda: Categorical("a b", ("x", "y")), "letters, digits and underscores"),
        (lambda: Categorical("g", ("x", "y", "z"), threshold=0.5), "needs exactly two classes"),
        (lambda: Categorical("g", ("x", "y"), neutral=(0.5, 0.6)), "sum to 1"),
        (lambda: Continuous("age", 3, 3), "low must be below high"),
        (lambda: Continuous("age", 0, 10, knots=(0, 5, 4, 10)), "must increase"),
        (lambda: Continuous("age", 0, 10, edges=(1, 5)), "group edges"),
        (lambda: AttributeSet(()), "no concealed attribute"),
        (lambda: AttributeSet((GENDER,), (GENDER,)), "declared once"),
    ],
)
def test_specifications_that_make_no_sense_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_encoding_works_under_jit_and_vmap():
    labels = {"gender": np.array([1, -1], np.int32), "age": np.array([np.nan, 40], np.float32)}
    np.testing.assert_allclose(jax.jit(ATTRIBUTES.encode)(labels), ATTRIBUTES.encode(labels), rtol=1e-6)


@given(st.lists(st.floats(0, 120, width=32), min_size=8, max_size=8))
def test_knot_weights_are_those_of_linear_interpolation(values):
    spec = AGE
    expected = np.stack([np.interp(values, spec.knots, weight) for weight in np.eye(spec.width)], axis=1)
    np.testing.assert_allclose(spec.encode(np.array(values, np.float32)), expected, atol=1e-5)


def test_the_lowest_value_of_a_range_is_in_its_first_group():
    spec = Continuous("x", 0.7, 2.1)
    assert spec.groups(np.array([0.7, 2.1], np.float32)).tolist() == [0, 3]
