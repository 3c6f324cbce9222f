"""The mixture attacker is Bayes' rule written out, and leaves people out where it judges itself."""

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import balanced_accuracy_score, r2_score

from conceal_jax.audit.attackers.mixture import MixtureAttacker, squared_distances
from conceal_jax.audit.examples import Examples, Posterior
from conceal_jax.audit.targets import Target


def drawn(mean: np.ndarray, std: np.ndarray, seed: int = 0, **targets: Target) -> Examples:
    """One code of each posterior."""
    codes = mean + std * np.random.default_rng(seed).normal(size=mean.shape)
    return Examples(codes.astype(np.float32), targets, Posterior(mean.astype(np.float32), std.astype(np.float32)))


def people(count: int, axes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Means, standard deviations, and classes 0, 2 and 3 of different sizes; the first axis tells them faintly."""
    generator = np.random.default_rng(seed)
    labels = generator.choice([0, 2, 3], size=count, p=[0.6, 0.3, 0.1]).astype(np.int32)
    mean = generator.normal(size=(count, axes))
    mean[:, 0] += 0.7 * labels
    return mean, generator.uniform(0.3, 1.5, size=mean.shape), labels


def broadened(attacker: MixtureAttacker, *broadenings: float) -> MixtureAttacker:
    attacker.broadenings = broadenings
    return attacker


@pytest.mark.parametrize("broadening", [1.0, 2.0])
def test_it_is_bayes_rule_written_out(broadening):
    mean, std, labels = people(60, 3)
    labels[:5] = -1
    values = np.where(labels == 2, np.nan, 20 + 10 * mean[:, 1]).astype(np.float32)
    examples = drawn(mean, std, y=Target(labels, 4), v=Target(values, 0))
    asked = np.random.default_rng(1).normal(size=(40, 3)).astype(np.float32)
    got = broadened(MixtureAttacker(), broadening).fit(examples, examples).predict(asked)
    densities = stats.norm.pdf(asked[:, None], mean, broadening * std).prod(axis=-1)
    by_class = np.stack([densities[:, labels == each].mean(axis=1) for each in (0, 2, 3)], axis=1)
    expected = by_class / by_class.sum(axis=1, keepdims=True)
    shares = np.exp(got["y"])[:, [0, 2, 3]]
    np.testing.assert_allclose(shares / shares.sum(axis=1, keepdims=True), expected, rtol=1e-4)
    assert np.isneginf(got["y"][:, 1]).all()
    known = ~np.isnan(values)
    np.testing.assert_allclose(
        got["v"], densities[:, known] @ values[known] / densities[:, known].sum(axis=1), rtol=1e-4
    )


def test_with_people_enough_it_is_as_good_as_knowing_the_world():
    # Two Gaussians of variance 1 + 1, two apart: Bayes' accuracy is Phi(1 / sqrt(2)) = .760, and the classes are 9 : 1.
    generator = np.random.default_rng(2)
    labels = (generator.random(6000) < 0.1).astype(np.int32)
    mean = generator.normal(size=(6000, 1)) + 2 * labels[:, None]
    examples = drawn(mean, np.ones_like(mean), y=Target(labels, 2))
    attacker = MixtureAttacker().fit(examples.take(np.arange(3000)), examples.take(np.arange(3000, 3500)))
    guesses = attacker.predict(examples.inputs[3500:])["y"].argmax(axis=1)
    assert balanced_accuracy_score(labels[3500:], guesses) == pytest.approx(0.760, abs=0.04)


def test_a_learned_person_is_judged_without_the_own_posterior():
    # Narrow posteriors that tell nothing: whoever counts the own posterior reads every label, at no broadening.
    mean, labels = np.random.default_rng(3).normal(size=(800, 20)), np.tile([0, 1], 400).astype(np.int32)
    examples = drawn(mean, np.full_like(mean, 0.05), y=Target(labels, 2))
    learn, choose = examples.take(np.arange(700)), examples.take(np.arange(700, 800))
    attacker = MixtureAttacker().fit(learn, choose)
    own = np.arange(700)
    left_out = attacker._answers(learn.inputs, own, [("y", 1.0)])["y", 1.0].argmax(axis=1)
    counted = attacker.predict(learn.inputs)["y"].argmax(axis=1)
    assert np.mean(left_out == labels[:700]) < 0.6
    assert np.mean(counted == labels[:700]) > 0.9
    assert attacker._broadenings["y"] == max(attacker.broadenings)


def test_leaving_one_out_is_fitting_without_that_person():
    mean, std, labels = people(30, 2)
    examples = drawn(mean, std, y=Target(labels, 4), v=Target(mean[:, 0].astype(np.float32), 0))
    attacker = broadened(MixtureAttacker(), 1.4).fit(examples, examples)
    questions = [("y", 1.4), ("v", 1.4)]
    got = attacker._answers(examples.inputs, np.arange(30), questions)
    for person in range(0, 30, 7):
        others = examples.take(np.delete(np.arange(30), person))
        expected = broadened(MixtureAttacker(), 1.4).fit(others, others).predict(examples.inputs[[person]])
        np.testing.assert_allclose(got["v", 1.4][person], expected["v"][0], rtol=1e-4)
        np.testing.assert_allclose(got["y", 1.4][person], expected["y"][0], rtol=1e-4, atol=1e-5)


def test_the_broadening_is_that_of_the_target():
    # The values change slowly along all axes together; the class along a single one, which is only read up close.
    generator = np.random.default_rng(4)
    mean = generator.uniform(-3, 3, size=(4000, 2))
    classes = (np.floor(4 * mean[:, 0]) % 2).astype(np.int32)
    values = (50 + mean.sum(axis=1) + generator.normal(0, 3, 4000)).astype(np.float32)
    examples = drawn(mean, np.full_like(mean, 0.03), y=Target(classes, 2), v=Target(values, 0))
    attacker = MixtureAttacker().fit(examples.take(np.arange(3000)), examples.take(np.arange(3000, 3300)))
    assert attacker._broadenings["y"] < attacker._broadenings["v"]
    got = attacker.predict(examples.inputs[3300:])
    assert balanced_accuracy_score(classes[3300:], got["y"].argmax(axis=1)) > 0.75
    assert r2_score(values[3300:], got["v"]) > 0.2


def test_distances_hold_for_narrow_posteriors_far_from_the_origin():
    generator = np.random.default_rng(5)
    codes, mean = (generator.normal(30, 1, size=(count, 64)).astype(np.float32) for count in (20, 50))
    std = generator.uniform(0.01, 0.1, size=(50, 64)).astype(np.float32)
    exact = np.square((codes[:, None].astype(np.float64) - mean) / std).sum(axis=-1)
    np.testing.assert_allclose(squared_distances(codes, Posterior(mean, std)), exact, rtol=1e-6)


def test_codes_that_nobody_could_have_had_still_get_an_answer():
    mean, std, labels = people(50, 8)
    examples = drawn(mean, 1e-3 * std, y=Target(labels, 4), v=Target(mean[:, 0].astype(np.float32), 0))
    got = MixtureAttacker().fit(examples, examples).predict(np.full((3, 8), 1e3, np.float32))
    assert np.isfinite(got["y"][:, [0, 2, 3]]).all()
    assert np.isfinite(got["v"]).all()


def test_without_posteriors_or_densities_it_refuses():
    mean, std, labels = people(50, 2)
    examples = drawn(mean, std, y=Target(labels, 4))
    with pytest.raises(ValueError, match="give the posterior"):
        MixtureAttacker().fit(Examples(examples.inputs, examples.targets), examples)
    std[3, 1] = 0
    with pytest.raises(ValueError, match="standard deviation of 0;"):
        MixtureAttacker().fit(drawn(mean, std, y=Target(labels, 4)), examples)
