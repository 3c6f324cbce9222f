"""Synthetic faces: requested factors, pictures that show every factor, and floors that no attacker beats."""

import itertools

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge
from sklearn.metrics import balanced_accuracy_score, r2_score

from conceal_jax.data.synthetic import render as synthetic_render
from conceal_jax.data.synthetic.factors import (
    AGE_GROUP_STARTS,
    CONCEALED,
    KEPT,
    draw_factors,
    floor_accuracy,
    render_faces,
)

FACTORS = {**CONCEALED, **KEPT}
CLASSES = {name: levels for name, levels in FACTORS.items() if isinstance(levels[0], str)}
RANGES = {name: levels for name, levels in FACTORS.items() if name not in CLASSES}
ENDS = {name: (0, len(levels) - 1) if name in CLASSES else levels for name, levels in FACTORS.items()}
PAIRS = list(itertools.product(KEPT, CONCEALED))
# Balanced accuracy of classes, R2 of values, by ridge regression. A convolutional network reads all above .95.
LINEARLY_READABLE = {
    "gender": 0.90,
    "ethnicity": 0.85,
    "age": 0.85,
    "smile": 0.95,
    "hair": 0.90,
    "glasses": 0.95,
    "brightness": 0.90,
    "background": 0.80,
    "pose": 0.90,
}


def assert_same_factors(first, second):
    for name in FACTORS:
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)


def first_faces(factors, count):
    return {name: values[:count] for name, values in factors.items()}


def test_factors_are_uniform_and_typed():
    factors = draw_factors(20_000, seed=1)
    assert set(factors) == set(FACTORS)
    for name, levels in CLASSES.items():
        assert factors[name].dtype == np.int32
        shares = np.bincount(factors[name], minlength=len(levels)) / 20_000
        np.testing.assert_allclose(shares, 1 / len(levels), atol=0.015)
    for name, (low, high) in RANGES.items():
        assert factors[name].dtype == np.float32
        quartiles = np.quantile(factors[name], [0, 0.25, 0.5, 0.75, 1])
        np.testing.assert_allclose(quartiles, np.linspace(low, high, 5), atol=0.015 * (high - low))


def test_a_face_does_not_depend_on_how_many_are_drawn():
    correlation = {("smile", "gender"): 0.5, ("pose", "age"): 0.3}
    many, few = draw_factors(200, 7, correlation), draw_factors(70, 7, correlation)
    assert_same_factors(first_faces(many, 70), few)
    np.testing.assert_array_equal(render_faces(many, 7)[:70], render_faces(few, 7))


def test_pictures_do_not_depend_on_chunks(monkeypatch):
    factors = draw_factors(150, 3)
    expected = render_faces(factors, 3, size=48)
    monkeypatch.setattr(synthetic_render, "_PIXELS_PER_CHUNK", 7 * 48 * 48)
    np.testing.assert_array_equal(render_faces(factors, 3, size=48), expected)


def test_seeds_give_other_factors_and_other_pictures():
    factors = draw_factors(8, 1)
    assert not np.array_equal(factors["age"], draw_factors(8, 2)["age"])
    assert not np.array_equal(render_faces(factors, 1), render_faces(factors, 2))


@pytest.mark.parametrize("size", [32, 64, 128])
def test_sizes_show_the_same_faces(size):
    factors = draw_factors(6, 4)
    pictures = render_faces(factors, 4, size)
    assert pictures.shape == (6, size, size, 3)
    assert pictures.dtype == np.uint8
    small = pictures.reshape(6, 32, size // 32, 32, size // 32, 3).mean((2, 4))
    error = np.abs(small - render_faces(factors, 4, 32)).mean()
    assert error < 4  # of 255: noise and the finer picture's detail; another face is 30 away


def test_no_faces():
    assert render_faces(draw_factors(0, 0), 0).shape == (0, 64, 64, 3)


@pytest.mark.parametrize("name", FACTORS)
def test_every_factor_is_drawn(name):
    """Two values of one factor differ by far more than the camera's noise, which is the same in both pictures."""
    factors = draw_factors(64, 5)
    first, second = (dict(factors, **{name: np.full(64, value)}) for value in ENDS[name])
    difference = np.abs(render_faces(first, 5).astype(int) - render_faces(second, 5))
    assert np.median(difference.max((1, 2, 3))) > 40


def as_targets(name, values):
    return np.eye(len(CLASSES[name]))[values] if name in CLASSES else values[:, None]


@pytest.fixture(scope="module")
def read():
    """Factors of 600 faces, and what ridge regression on 2000 others reads from their pixels and the logarithms."""
    factors = draw_factors(2600, 6)
    pixels = render_faces(factors, 6, size=32).reshape(2600, -1) / np.float32(255)
    rows = np.concatenate([pixels, np.log(pixels + 0.05)], axis=1)
    targets = [as_targets(name, values) for name, values in factors.items()]
    reader = Ridge(alpha=3.0).fit(rows[:2000], np.concatenate(targets, axis=1)[:2000])
    ends = np.cumsum([target.shape[1] for target in targets])[:-1]
    predictions = np.split(reader.predict(rows[2000:]), ends, axis=1)
    return {name: values[2000:] for name, values in factors.items()}, dict(zip(factors, predictions, strict=True))


@pytest.mark.parametrize("name", FACTORS)
def test_every_factor_can_be_read(read, name):
    truth, predicted = read[0][name], read[1][name]
    if name in CLASSES:
        assert balanced_accuracy_score(truth, predicted.argmax(1)) > LINEARLY_READABLE[name]
    else:
        assert r2_score(truth, predicted[:, 0]) > LINEARLY_READABLE[name]


def test_floor_is_chance_without_correlation():
    unrelated = {("smile", "ethnicity"): 1.0}
    for correlation in ({}, unrelated):
        assert floor_accuracy("gender", correlation) == pytest.approx(1 / 2)
        assert floor_accuracy("age", correlation) == pytest.approx(1 / 9)
    assert floor_accuracy("ethnicity") == pytest.approx(1 / 5)


@given(st.floats(0, 1))
def test_floor_of_two_classes_in_closed_form(share):
    assert floor_accuracy("gender", {("smile", "gender"): share}) == pytest.approx((1 + share) / 2)
    assert floor_accuracy("gender", {("brightness", "gender"): share}) == pytest.approx((1 + share) / 2)
    # A continuous factor follows all nine groups: found with the share, guessed by the density elsewhere.
    widths = np.diff([*AGE_GROUP_STARTS, 100]) / 100
    found = np.maximum(share + (1 - share) * widths, (1 - share) * widths).sum() / 9
    assert floor_accuracy("age", {("pose", "age"): share}) == pytest.approx(found)


@given(st.floats(0, 1), st.floats(0, 1))
def test_floor_of_two_witnesses_in_closed_form(first, second):
    """Two conditionally independent binary witnesses, right with p and q: the better one decides."""
    correlation = {("smile", "gender"): first, ("glasses", "gender"): second}
    assert floor_accuracy("gender", correlation) == pytest.approx((1 + max(first, second)) / 2)


@settings(max_examples=30, deadline=None)
@given(st.dictionaries(st.sampled_from(PAIRS), st.floats(0, 0.3), max_size=3), st.sampled_from(PAIRS))
def test_another_witness_never_lowers_the_floor(correlation, pair):
    kept, concealed = pair
    assume(all(name != kept for name, _ in correlation))
    assert floor_accuracy(concealed, {**correlation, pair: 0.4}) >= floor_accuracy(concealed, correlation) - 1e-12


def audit_classes(factors, concealed):
    if concealed == "age":
        return np.searchsorted(AGE_GROUP_STARTS, factors["age"], side="right") - 1
    return factors[concealed]


def lookup_attacker_accuracy(factors, concealed, cells=100):
    """Balanced accuracy of a lookup table over smile and brightness, built on half of the faces, tried on the others.

    Brightness is cut into `cells` equal cells: all borders that can matter, and many that do not.
    """
    state = factors["smile"] * cells + (factors["brightness"] * cells).astype(int).clip(max=cells - 1)
    classes = audit_classes(factors, concealed)
    half = len(state) // 2
    table = np.zeros((state.max() + 1, classes.max() + 1))
    np.add.at(table, (state[:half], classes[:half]), 1)
    guess = (table / table.sum(0)).argmax(1)[state[half:]]
    return balanced_accuracy_score(classes[half:], guess)


@pytest.mark.parametrize("concealed", CONCEALED)
def test_the_best_attacker_reaches_the_floor(concealed):
    correlation = {
        ("smile", "gender"): 0.5,
        ("smile", "ethnicity"): 0.4,
        ("brightness", "gender"): 0.2,
        ("brightness", "ethnicity"): 0.3,
        ("brightness", "age"): 0.3,
    }
    factors = draw_factors(1_000_000, 9, correlation)
    floor = floor_accuracy(concealed, correlation)
    assert floor > 1.15 * floor_accuracy(concealed)
    assert lookup_attacker_accuracy(factors, concealed) == pytest.approx(floor, abs=0.004)


def test_correlation_leaves_marginals_alone():
    correlation = {("hair", "age"): 1.0, ("pose", "ethnicity"): 0.7}
    factors = draw_factors(20_000, 2, correlation)
    np.testing.assert_allclose(np.bincount(factors["hair"]) / 20_000, 1 / 4, atol=0.015)
    assert np.quantile(factors["pose"], 0.5) == pytest.approx(0, abs=0.03)
    assert np.all((factors["hair"] == 3) <= (factors["age"] >= 70))  # 75 to 100 years, a part of the last group


@pytest.mark.parametrize(
    ("correlation", "message"),
    [
        ({("smiles", "gender"): 0.5}, "names the pair"),
        ({("gender", "smile"): 0.5}, "names the pair"),
        ({("smile", "gender"): 1.5}, "probability, 0 to 1"),
        ({("smile", "gender"): float("nan")}, "probability, 0 to 1"),
        ({("smile", "gender"): 0.7, ("smile", "age"): 0.7}, "at most 1 together"),
    ],
)
def test_impossible_correlations_are_refused(correlation, message):
    with pytest.raises(ValueError, match=message):
        draw_factors(1, 0, correlation)
    with pytest.raises(ValueError, match=message):
        floor_accuracy("gender", correlation)


def test_floor_of_a_kept_factor_is_refused():
    with pytest.raises(ValueError, match="not a concealed factor"):
        floor_accuracy("smile")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hair": np.array([0, 4])}, "classes 0 to 3"),
        ({"smile": np.array([0.5, 1])}, "classes 0 to 1"),
        ({"age": np.array([30, np.nan])}, "values 0 to 100"),
        ({"pose": np.array([0.0])}, "same length"),
        ({"glasses": None}, "'glasses' is missing"),
    ],
)
def test_bad_factors_are_refused(change, message):
    factors = {**draw_factors(2, 0), **change}
    with pytest.raises(ValueError, match=message):
        render_faces({name: values for name, values in factors.items() if values is not None}, 0)


def test_bad_sizes_are_refused():
    with pytest.raises(ValueError, match="at least 16"):
        render_faces(draw_factors(1, 0), 0, size=8)
    with pytest.raises(ValueError, match="0 or more"):
        draw_factors(-1, 0)
