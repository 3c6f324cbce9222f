"""Dependence penalties: worlds with known answers, exact laws, and rows that must not count."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from conceal_jax.attributes import MISSING_CLASS, AttributeSet, Categorical, Continuous
from conceal_jax.losses.dependence import contrastive_information, hsic, marginal_kl, moment_mismatch
from conceal_jax.models.bottleneck import Posterior

ATTRIBUTES = AttributeSet((Categorical("gender", ("male", "female")), Continuous("age", 0, 100, "years")))
VARIANCE = 0.3


def penalise_hsic(codes, posterior, labels, mask):
    return hsic(codes, labels, mask, ATTRIBUTES)


def penalise_moments(codes, posterior, labels, mask):
    return moment_mismatch(codes, labels, mask, ATTRIBUTES)


def penalise_contrastively(codes, posterior, labels, mask):
    return contrastive_information(codes, posterior, labels, mask, ATTRIBUTES)


def penalise_marginally(codes, posterior, labels, mask):
    return {"gender": marginal_kl(posterior, mask & (labels["gender"] != MISSING_CLASS))}


BY_LABELS = [jax.jit(f) for f in (penalise_hsic, penalise_moments, penalise_contrastively)]
MARGINAL_KL = jax.jit(marginal_kl)
ALL = [*BY_LABELS, jax.jit(penalise_marginally)]
SMALL = {"rows": 48}
by_labels = pytest.mark.parametrize("penalty", BY_LABELS, ids=["hsic", "moments", "contrastive"])
every_penalty = pytest.mark.parametrize("penalty", ALL, ids=["hsic", "moments", "contrastive", "marginal"])


def gaussian(mean, log_variance):
    return Posterior(jnp.asarray(mean, jnp.float32), jnp.asarray(log_variance, jnp.float32))


def change(function, tree):
    """A tree of arrays by a function of NumPy arrays, which compiles nothing."""
    return jax.tree.map(lambda leaf: jnp.asarray(function(np.asarray(leaf))), tree)


def make_world(rows=256, latent=2, leak=0.0, seed=0):
    """Sampled codes whose first dimension tells gender and last age, as far as `leak`; posterior, labels, mask."""
    generator = np.random.default_rng(seed)
    gender, age = generator.integers(0, 2, rows), generator.uniform(0, 100, rows)
    mean = generator.normal(size=(rows, latent)) * np.sqrt(1 - VARIANCE)
    mean[:, 0] += leak * (2 * gender - 1)
    mean[:, -1] += leak * (age - 50) / 29
    noise = generator.normal(size=(rows, latent)) * np.sqrt(VARIANCE)
    labels = {"gender": gender.astype(np.int32), "age": age.astype(np.float32)}
    posterior = gaussian(mean.astype(np.float32), np.full((rows, latent), np.log(VARIANCE), np.float32))
    return (mean + noise).astype(np.float32), posterior, labels, np.ones(rows, bool)


@jax.jit(static_argnums=0)
def total_and_gradients(penalty, codes, posterior, labels, mask):
    """The sum of a penalty's estimates, and its gradients in codes, means and log-variances."""

    def total(codes, posterior):
        return sum(penalty(codes, posterior, labels, mask).values())

    value, (of_codes, of_posterior) = jax.value_and_grad(total, argnums=(0, 1))(codes, posterior)
    return value, (of_codes, of_posterior.mean, of_posterior.log_variance)


def as_numbers(estimates):
    return {name: float(value) for name, value in estimates.items()}


@by_labels
def test_independent_codes_cost_nothing_and_more_leak_costs_more(penalty):
    means = []
    for leak in (0.0, 0.5, 1.0, 2.0):
        draws = [as_numbers(penalty(*make_world(leak=leak, seed=seed))) for seed in range(8)]
        means.append({name: np.mean([draw[name] for draw in draws]) for name in ("gender", "age")})
    for name in ("gender", "age"):
        values = [mean[name] for mean in means]
        assert abs(values[0]) < 0.02
        assert np.all(np.diff(values) > 0.02)


@by_labels
def test_codes_that_are_the_label_cost_nearly_the_most(penalty):
    _, _, labels, mask = make_world()
    mean = (2.0 * labels["gender"] - 1)[:, None] * np.array([1, 0])
    found = float(penalty(np.float32(mean), gaussian(mean, np.full_like(mean, -6.0)), labels, mask)["gender"])
    most, least = {penalise_hsic: (1, 0.99), penalise_moments: (0.505, 0.49)}.get(
        penalty.__wrapped__, (np.log(2), 0.55)
    )
    assert least < found <= most + 1e-4


@pytest.mark.parametrize("penalty", [hsic, moment_mismatch])
def test_the_mean_over_every_way_to_deal_labels_out_is_zero(penalty):
    codes = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
    orders = np.array(list(itertools.permutations(range(6))))
    labels = {"gender": np.array([0, 0, 0, 0, 1, 1], np.int32), "age": np.array([3, 20, 47, 50, 71, 99], np.float32)}

    def penalise(order):
        return penalty(
            jnp.asarray(codes),
            {name: jnp.asarray(values)[order] for name, values in labels.items()},
            jnp.ones(6, bool),
            ATTRIBUTES,
        )

    for values in jax.jit(jax.vmap(penalise))(orders).values():
        assert np.std(values) > 0.01
        np.testing.assert_allclose(np.mean(values), 0, atol=1e-5)


def test_hsic_equals_the_formula_of_song():
    codes, posterior, labels, mask = make_world(leak=1.0)
    z, age = np.asarray(codes, np.float64), np.asarray(labels["age"], np.float64)
    distances = np.square(z[:, None] - z[None]).sum(axis=-1)
    scale = distances.sum() / (256 * 255)
    kernel = np.mean([np.exp(-distances / (width * scale)) for width in (4, 2, 1, 0.5, 0.25)], axis=0)
    found = BY_LABELS[0](codes, posterior, labels, mask)
    same = np.equal.outer(*[np.asarray(labels["gender"])] * 2).astype(float)
    near = np.exp(-np.square(np.subtract.outer(age, age)) / (2 * 0.5**2 * age.var(ddof=1)))
    for name, other in (("gender", same), ("age", near)):
        expected = song(kernel, other) / np.sqrt(song(kernel, kernel) * song(other, other))
        np.testing.assert_allclose(found[name], expected, rtol=1e-4)


def song(first, second):
    """Equation 5 of Song et al. 2012."""
    n, (K, L) = len(first), (kernel - np.diag(np.diag(kernel)) for kernel in (first, second))
    ends = K.sum() * L.sum() / ((n - 1) * (n - 2)) - 2 / (n - 2) * K.sum(axis=0) @ L.sum(axis=0)
    return (np.trace(K @ L) + ends) / (n * (n - 3))


def test_hsic_offers_no_way_out_by_scaling_the_codes():
    codes, posterior, labels, mask = make_world(**SMALL, leak=1.0)
    value, (gradient, *_) = total_and_gradients(BY_LABELS[0], codes, posterior, labels, mask)
    radial = np.sum(gradient * (codes - codes.mean(axis=0)))
    assert abs(radial) < 1e-3 * np.linalg.norm(gradient) * np.linalg.norm(codes)
    scaled, _ = total_and_gradients(BY_LABELS[0], 10 * codes, posterior, labels, mask)
    np.testing.assert_allclose(scaled, value, rtol=1e-3)


def test_moments_see_a_class_that_differs_only_in_its_correlations():
    codes, posterior, labels, mask = make_world()
    mixed = np.where(labels["gender"][:, None] == 1, codes @ np.array([[1.0, 0.9], [0.0, 0.436]]), codes)
    assert BY_LABELS[1](mixed, posterior, labels, mask)["gender"] > 0.02


@pytest.mark.parametrize("separation", [0.3, 0.6, 0.9])
def test_contrastive_estimate_is_the_known_information_at_low_rate(separation):
    """Codes N(+-a, 1) by gender: I(z;c) = H(z) - H(z|c), by quadrature."""
    truth = two_gaussians_information(separation)
    estimates = []
    for seed in range(6):
        generator = np.random.default_rng(seed)
        gender = generator.integers(0, 2, 1024)
        mean = np.asarray(separation * (2 * gender - 1)[:, None], np.float32)
        codes = mean + np.asarray(generator.normal(size=mean.shape), np.float32)
        labels = {"gender": np.asarray(gender, np.int32), "age": np.full(1024, np.nan)}
        posterior = gaussian(mean, np.zeros_like(mean))
        estimates.append(BY_LABELS[2](codes, posterior, labels, np.ones(1024, bool))["gender"])
    np.testing.assert_allclose(np.mean(estimates), truth, atol=0.02)


def two_gaussians_information(separation):
    def surprise(z):
        density = 0.5 * (scipy.stats.norm.pdf(z, separation) + scipy.stats.norm.pdf(z, -separation))
        return -density * np.log(density)

    return scipy.integrate.quad(surprise, -12, 12)[0] - 0.5 * np.log(2 * np.pi * np.e)


def test_contrastive_estimate_is_near_zero_for_independent_codes_of_a_high_rate():
    """Nearly 80 nats in a batch of 256: with j = i the estimate would be H(gender) = 0.69."""
    generator = np.random.default_rng(0)
    _, posterior, labels, mask = make_world(latent=64)
    posterior = gaussian(posterior.mean, np.full((256, 64), -2.7))
    codes = posterior.mean + np.exp(-1.35) * np.asarray(generator.normal(size=(256, 64)), np.float32)
    assert abs(BY_LABELS[2](codes, posterior, labels, mask)["gender"]) < 0.03


def test_marginal_kl_is_zero_where_all_posteriors_are_one():
    one = gaussian(np.full((16, 4), 3.0), np.full((16, 4), -1.0))
    np.testing.assert_allclose(MARGINAL_KL(one, np.ones(16, bool)), 0, atol=1e-4)


@pytest.mark.parametrize("ratio", [0.1, 1.0, 4.0])
def test_marginal_kl_of_gaussian_means_is_its_closed_form_above_the_truth_and_below_moyers(ratio):
    """Means N(0, r), variance 1: truth log(1 + r) / 2, this bound r / (1 + r) / 2 more, the mean of all KLs r."""
    means = np.asarray(np.random.default_rng(0).normal(size=(1024, 1)) * np.sqrt(ratio), np.float32)
    found = MARGINAL_KL(gaussian(means, np.zeros_like(means)), np.ones(1024, bool))
    truth = 0.5 * np.log1p(ratio)
    np.testing.assert_allclose(found, truth + 0.5 * ratio / (1 + ratio), rtol=0.1)
    assert truth < found < ratio


def test_marginal_kl_equals_pairwise_kls_one_by_one():
    mean, log_variance = (np.random.default_rng(seed).normal(size=(5, 3)) for seed in (0, 1))
    variance = np.exp(log_variance)
    terms = []
    for i in range(5):
        kls = [
            0.5 * np.sum((variance[i] + (mean[i] - mean[j]) ** 2) / variance[j] - 1 + np.log(variance[j] / variance[i]))
            for j in range(5)
            if j != i
        ]
        terms.append(-np.log(np.mean(np.exp(-np.asarray(kls)))))
    posterior = gaussian(np.asarray(mean, np.float32), np.asarray(log_variance, np.float32))
    np.testing.assert_allclose(MARGINAL_KL(posterior, np.ones(5, bool)), np.mean(terms), rtol=1e-4)


@every_penalty
def test_gradients_are_the_slopes(penalty):
    codes, posterior, labels, mask = make_world(**SMALL, leak=0.7)
    point = [codes, posterior.mean, posterior.log_variance]
    _, gradients = total_and_gradients(penalty, codes, posterior, labels, mask)
    for index, gradient in enumerate(gradients):
        way = np.random.default_rng(index).normal(size=codes.shape).astype(np.float32)
        values = []
        for step in (3e-3, -3e-3):
            moved = [x + step * way if at == index else x for at, x in enumerate(point)]
            values.append(total_and_gradients(penalty, moved[0], gaussian(*moved[1:]), labels, mask)[0])
        slope = (values[0] - values[1]) / 6e-3
        np.testing.assert_allclose(np.sum(gradient * way), slope, rtol=0.02, atol=1e-3)


@by_labels
def test_following_the_gradient_takes_the_leak_out(penalty):
    codes, posterior, labels, mask = make_world(**SMALL, leak=1.0)

    def distance(mean):
        return float(mean[labels["gender"] == 1, 0].mean() - mean[labels["gender"] == 0, 0].mean())

    shift = np.zeros_like(codes)
    for _ in range(60):
        moved = gaussian(posterior.mean + shift, posterior.log_variance)
        _, (of_codes, of_mean, _) = total_and_gradients(penalty, codes + shift, moved, labels, mask)
        gradient = of_codes + of_mean
        shift -= 0.3 * gradient / np.linalg.norm(gradient)
    assert abs(distance(posterior.mean + shift)) < 0.6 * distance(posterior.mean)


@every_penalty
@given(seed=st.integers(0, 1000), leak=st.floats(0, 2))
@settings(max_examples=8)
def test_the_order_of_rows_does_not_matter(penalty, seed, leak):
    world = make_world(**SMALL, leak=leak, seed=seed)
    order = np.random.default_rng(seed).permutation(48)
    value, gradients = total_and_gradients(penalty, *world)
    there, moved = total_and_gradients(penalty, *change(lambda leaf: leaf[order], world))
    np.testing.assert_allclose(there, value, rtol=1e-3, atol=2e-5)
    for ours, theirs in zip(gradients, moved, strict=True):
        np.testing.assert_allclose(theirs, ours[order], rtol=1e-2, atol=2e-5)


@every_penalty
def test_rows_that_do_not_count_change_nothing_whatever_they_hold(penalty):
    world = make_world(**SMALL, leak=1.0)
    codes, posterior, labels, _ = world
    some = np.arange(48) < 40
    unlabelled = {name: np.where(some, labels[name], missing) for name, missing in (("gender", -1), ("age", np.nan))}
    garbage = change(lambda leaf: np.where(some[:, None], leaf, np.nan), (codes, posterior))
    moved = change(lambda leaf: np.where(some[:, None], leaf, 1 - 2 * leaf), (codes, posterior))
    expected, rates = total_and_gradients(penalty, *change(lambda leaf: leaf[:40], world))
    for way in ((*garbage, labels, some), (*garbage, unlabelled, some), (*moved, unlabelled, np.ones(48, bool))):
        value, gradients = total_and_gradients(penalty, *way)
        np.testing.assert_allclose(value, expected, rtol=1e-3, atol=1e-5)
        for gradient, rate in zip(gradients, rates, strict=True):
            np.testing.assert_allclose(gradient[:40], rate, rtol=1e-2, atol=1e-5)
            np.testing.assert_array_equal(gradient[40:], 0)


@every_penalty
@pytest.mark.parametrize("count", [0, 1, 2, 3, 4])
def test_few_labels_give_finite_gradients_and_none_gives_zero(penalty, count):
    codes, posterior, labels, mask = make_world(**SMALL)
    known = np.arange(48) < count
    labels = {name: np.where(known, labels[name], missing) for name, missing in (("gender", -1), ("age", np.nan))}
    value, gradients = total_and_gradients(penalty, codes, posterior, labels, mask)
    assert all(np.isfinite(leaf).all() for leaf in (value, *gradients))
    if count < 2:
        assert value == 0
        assert not any(np.any(gradient) for gradient in gradients)


@every_penalty
def test_equal_codes_and_labels_tell_nothing_and_give_finite_gradients(penalty):
    labels = {"gender": np.ones(48, np.int32), "age": np.full(48, 30.0)}
    same = np.ones((48, 2), np.float32)
    value, gradients = total_and_gradients(penalty, same, gaussian(same, 0 * same), labels, np.ones(48, bool))
    assert abs(value) < 1e-3
    assert all(np.isfinite(gradient).all() for gradient in gradients)


@by_labels
def test_to_tell_far_ages_apart_costs_more_than_near_ones(penalty):
    """One bit of age either way: young from old, or every other three years."""
    _, _, labels, mask = make_world()
    spent = {}
    for name, bit in (("far", labels["age"] >= 50), ("near", (labels["age"] // 3) % 2)):
        mean = (2.0 * bit - 1)[:, None] * np.array([1, 0])
        spent[name] = float(penalty(np.float32(mean), gaussian(mean, np.full_like(mean, -1.0)), labels, mask)["age"])
    assert abs(spent["near"]) < 0.2 * spent["far"]
