"""Linear attackers against scikit-learn, and what they choose their penalties by."""

import numpy as np
import pytest
from scipy.special import log_softmax
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import log_loss
from sklearn.preprocessing import StandardScaler
from sklearn.utils.class_weight import compute_sample_weight

from conceal_jax.audit.attackers.linear import LinearAttacker, linear_models
from conceal_jax.audit.attackers.majority import MajorityAttacker
from conceal_jax.audit.attackers.selection import answerable, balanced_weights, loss
from conceal_jax.audit.attackers.whitening import Whitening
from conceal_jax.audit.examples import Examples
from conceal_jax.audit.targets import Target

LEARN, CHOOSE, TEST = np.arange(1500), np.arange(1500, 2000), np.arange(2000, 3000)


@pytest.fixture(scope="module")
def codes() -> np.ndarray:
    scales, centres = np.array([1, 5, 0.01, 1, 1, 1]), np.array([0, 100, 0, 0, -3, 0])
    return (np.random.default_rng(0).normal(size=(3000, 6)) * scales + centres).astype(np.float32)


def classes_of(codes: np.ndarray, count: int, seed: int = 1) -> np.ndarray:
    """Classes of very different sizes that depend on the standardised codes linearly, and on chance."""
    generator = np.random.default_rng(seed)
    logits = StandardScaler().fit_transform(codes) @ generator.normal(size=(codes.shape[1], count)) + np.arange(count)
    return (logits + generator.gumbel(size=logits.shape)).argmax(axis=1).astype(np.int32)


def fitted(attacker, examples: Examples):
    return attacker.fit(examples.take(LEARN), examples.take(CHOOSE))


@pytest.mark.parametrize("strength", [1e-3, 1.0])
def test_the_logistic_regression_is_scikit_learns(codes, strength):
    inputs, labels = StandardScaler().fit_transform(codes), classes_of(codes, 4)
    (model,) = linear_models(inputs, Target(labels, 4), [strength])
    expected = LogisticRegression(C=strength, class_weight="balanced", tol=1e-8, max_iter=1000).fit(inputs, labels)
    np.testing.assert_allclose(
        log_softmax(model.predict(inputs), axis=1), expected.predict_log_proba(inputs), atol=1e-2
    )


def test_of_two_classes_the_penalty_counts_both_ways(codes):
    inputs, labels = StandardScaler().fit_transform(codes), classes_of(codes, 2)
    (model,) = linear_models(inputs, Target(labels, 2), [0.02])
    # scikit-learn penalises one vector w where two, w / 2 and -w / 2, are here.
    expected = LogisticRegression(C=0.04, class_weight="balanced", tol=1e-8).fit(inputs, labels)
    scores = model.predict(inputs)
    np.testing.assert_allclose(scores[:, 1] - scores[:, 0], expected.decision_function(inputs), atol=1e-2)


def test_later_strengths_are_solved_as_if_they_were_alone(codes):
    inputs, target = StandardScaler().fit_transform(codes), Target(classes_of(codes, 3), 3)
    *_, last = linear_models(inputs, target, [1e-4, 1e-2, 1.0])
    (alone,) = linear_models(inputs, target, [1.0])
    np.testing.assert_allclose(last.weights, alone.weights, atol=5e-3)


def test_values_are_ridge_regressed_in_their_own_unit(codes):
    values = (40 + codes @ np.array([3, 0.5, 200, 0, 1, 0]) + np.random.default_rng(2).normal(size=3000)).astype("f4")
    answers = fitted(LinearAttacker(), Examples(codes, {"age": Target(values, 0)})).predict(codes[TEST])["age"]
    scaler = StandardScaler().fit(codes[LEARN])
    expected = Ridge().fit(scaler.transform(codes[LEARN]), values[LEARN]).predict(scaler.transform(codes[TEST]))
    np.testing.assert_allclose(answers, expected, atol=0.05)


def test_the_penalty_is_the_best_on_the_people_for_choosing():
    generator = np.random.default_rng(3)
    codes = generator.normal(size=(3000, 40))
    few = np.arange(100)
    for slope in (0.1, 5.0):
        labels = (slope * codes[:, 0] + generator.logistic(size=3000) > 0).astype(np.int32)
        examples = Examples(codes, {"y": Target(labels, 2)})
        attacker = LinearAttacker().fit(examples.take(few), examples.take(CHOOSE))
        scaler = Whitening().fit(codes[few])
        models = list(linear_models(scaler.transform(codes[few]), examples.targets["y"].take(few), [1e-4, 1e-2, 1.0]))
        others = [
            loss(model.predict(scaler.transform(codes[CHOOSE])), examples.targets["y"].take(CHOOSE)) for model in models
        ]
        chosen = loss(attacker.predict(codes[CHOOSE])["y"], examples.targets["y"].take(CHOOSE))
        assert chosen <= min(others) + 1e-6
        assert max(others) > chosen + 0.01


def test_missing_labels_are_neither_learned_from_nor_judged_on(codes):
    labels = classes_of(codes, 3)
    missing = np.random.default_rng(4).random(3000) < 0.4
    values = codes[:, 1]
    masked = Examples(
        codes, {"y": Target(np.where(missing, -1, labels), 3), "v": Target(np.where(missing, np.nan, values), 0)}
    )
    known = Examples(codes, {"y": Target(labels, 3), "v": Target(values, 0)})
    kept_learn, kept_choose = LEARN[~missing[LEARN]], CHOOSE[~missing[CHOOSE]]
    for attacker in (LinearAttacker, MajorityAttacker):
        got = fitted(attacker(), masked).predict(codes[TEST])
        expected = attacker().fit(known.take(kept_learn), known.take(kept_choose)).predict(codes[TEST])
        # The inputs of all people standardise the first, those of the known the second.
        assert np.mean(got["y"].argmax(1) == expected["y"].argmax(1)) > 0.99
        np.testing.assert_allclose(got["v"], expected["v"], rtol=0.01)


def test_a_class_never_seen_is_never_guessed_and_one_seen_only_later_is_not_judged(codes):
    labels = np.array([0, 2, 4], np.int32)[classes_of(codes, 3)]
    labels[CHOOSE[:50]] = 3
    for attacker in (LinearAttacker(), MajorityAttacker()):
        scores = fitted(attacker, Examples(codes, {"y": Target(labels, 5)})).predict(codes[TEST])["y"]
        np.testing.assert_array_equal(np.isneginf(scores).all(axis=0), [False, True, False, True, False])
        assert np.isfinite(scores[:, [0, 2, 4]]).all()


def test_targets_that_cannot_be_learned_are_left_unanswered(codes):
    one, unknown = np.zeros(3000, np.int32), np.full(3000, -1, np.int32)
    late = np.where(np.arange(3000) < 1500, classes_of(codes, 2), -1).astype(np.int32)
    constant, good = np.full(3000, 7, np.float32), classes_of(codes, 2)
    labels = {"one": one, "unknown": unknown, "nobody to choose on": late, "good": good}
    targets = {name: Target(each, 2) for name, each in labels.items()} | {"constant": Target(constant, 0)}
    examples = Examples(codes, targets)
    assert answerable(examples.take(LEARN), examples.take(CHOOSE)) == ["good"]
    assert list(fitted(LinearAttacker(), examples).predict(codes[TEST])) == ["good"]


def test_the_majority_attacker_guesses_the_most_common_class_and_the_mean(codes):
    labels = np.array([1] * 500 + [0] * 300 + [-1] * 2200, np.int32)[np.random.default_rng(5).permutation(3000)]
    values = np.where(labels == 1, 10, np.nan).astype(np.float32)
    values[:2] = 40
    examples = Examples(codes, {"y": Target(labels, 2), "v": Target(values, 0)})
    answers = fitted(MajorityAttacker(), examples).predict(codes[TEST])
    assert (answers["y"].argmax(axis=1) == 1).all()
    np.testing.assert_allclose(answers["v"], np.nanmean(values[LEARN]), rtol=1e-6)


def test_weights_and_loss_are_scikit_learns():
    generator = np.random.default_rng(6)
    labels = generator.choice(3, size=400, p=[0.8, 0.15, 0.05]).astype(np.int32)
    scores = generator.normal(size=(500, 3))
    weights = compute_sample_weight("balanced", labels)
    target = Target(np.concatenate([labels, np.full(100, -1, np.int32)]), 3)
    np.testing.assert_allclose(balanced_weights(target), np.concatenate([weights, np.zeros(100)]))
    expected = log_loss(labels, np.exp(log_softmax(scores[:400], axis=1)), sample_weight=weights)
    assert loss(scores, target) == pytest.approx(expected)
    values = Target(np.array([1.0, 2.0, np.nan], np.float32), 0)
    assert loss(np.array([2.0, 4.0, 9.0]), values) == 2.5


@pytest.mark.parametrize("class_count", [3, 0])
def test_where_nobody_is_judged_the_loss_is_infinite(class_count):
    labels = np.full(5, -1, np.int32) if class_count else np.full(5, np.nan, np.float32)
    assert loss(np.zeros((5, class_count or 1)).squeeze(), Target(labels, class_count)) == np.inf
