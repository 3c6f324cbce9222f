"""Attackers on worlds where it is known who can read what."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import balanced_accuracy_score, r2_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from conceal_jax.audit.attackers import LinearAttacker, MlpAttacker
from conceal_jax.audit.targets import Target

TRAIN = slice(0, 2000)
TEST = slice(2000, 3000)


@pytest.fixture(scope="module")
def codes() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(3000, 6)).astype(np.float32)


def quick_mlp() -> MlpAttacker:
    return MlpAttacker(seed=1, epochs=20, width=64, networks=2)


def test_linear_is_scikit_learns_on_standardised_codes(codes):
    classes, values = (codes[:, 0] + codes[:, 1] > 0.8).astype(np.int32), codes @ np.arange(6, dtype=np.float32)
    targets = {"classes": Target(classes[TRAIN], 2), "values": Target(values[TRAIN], 0)}
    predicted = LinearAttacker().fit(codes[TRAIN], targets).predict(codes[TEST])
    logistic = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced")).fit(
        codes[TRAIN], classes[TRAIN]
    )
    np.testing.assert_array_equal(predicted["classes"].argmax(1), logistic.predict(codes[TEST]))
    ridge = make_pipeline(StandardScaler(), Ridge()).fit(codes[TRAIN], values[TRAIN])
    np.testing.assert_allclose(predicted["values"], ridge.predict(codes[TEST]), rtol=1e-4, atol=1e-4)


def test_linear_never_answers_with_a_class_it_never_saw(codes):
    target = Target(np.where(codes[TRAIN, 0] > 0, 2, 0).astype(np.int32), 3)
    scores = LinearAttacker().fit(codes[TRAIN], {"classes": target}).predict(codes[TEST])["classes"]
    assert set(scores.argmax(1)) == {0, 2}


def test_only_the_mlp_reads_an_xor_of_signs_and_a_radius(codes):
    xor, radius = (codes[:, 0] * codes[:, 1] > 0).astype(np.int32), np.square(codes[:, :3]).sum(1)
    targets = {"xor": Target(xor[TRAIN], 2), "radius": Target(radius[TRAIN], 0)}
    linear, mlp = (
        attacker.fit(codes[TRAIN], targets).predict(codes[TEST]) for attacker in (LinearAttacker(), quick_mlp())
    )
    assert balanced_accuracy_score(xor[TEST], linear["xor"].argmax(1)) < 0.55
    assert balanced_accuracy_score(xor[TEST], mlp["xor"].argmax(1)) > 0.9
    assert r2_score(radius[TEST], linear["radius"]) < 0.1
    assert r2_score(radius[TEST], mlp["radius"]) > 0.85


@pytest.mark.parametrize("make", [LinearAttacker, quick_mlp])
def test_missing_labels_are_not_learned_from(codes, make):
    truth = (codes[:, 0] > 0).astype(np.int32)
    missing = np.random.default_rng(1).random(3000) < 0.3
    targets = {"classes": Target(np.where(missing, -1, truth)[TRAIN], 2)}
    scores = make().fit(codes[TRAIN], targets).predict(codes[TEST])["classes"]
    assert balanced_accuracy_score(truth[TEST], scores.argmax(1)) > 0.95


@pytest.mark.parametrize("make", [LinearAttacker, quick_mlp])
def test_a_rare_class_counts_as_much_as_a_common_one(make):
    generator = np.random.default_rng(2)
    classes = (generator.random(3000) < 0.06).astype(np.int32)
    codes = generator.normal(size=(3000, 2)) + 1.5 * classes[:, None]
    guesses = make().fit(codes[TRAIN], {"rare": Target(classes[TRAIN], 2)}).predict(codes[TEST])["rare"].argmax(1)
    assert np.mean(guesses[classes[TEST] == 1]) > 0.65


def test_the_mlp_keeps_the_weights_before_it_overfits():
    generator = np.random.default_rng(3)
    codes, noise = generator.normal(size=(300, 30)), generator.normal(size=300).astype(np.float32)
    predicted = MlpAttacker(epochs=60, width=64).fit(codes, {"noise": Target(noise, 0)}).predict(codes)["noise"]
    assert r2_score(noise, predicted) < 0.5


def test_the_mlp_is_a_function_of_its_seed(codes):
    targets = {"classes": Target((codes[:, 0] > 0).astype(np.int32), 2)}
    first, again = (quick_mlp().fit(codes, targets).predict(codes)["classes"] for _ in range(2))
    np.testing.assert_array_equal(first, again)
