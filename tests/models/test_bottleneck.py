"""Bottlenecks as values: what they promise holds for any encoder, and the traps of design.md catch none of them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from scipy import stats

from conceal_jax.attributes import AttributeSet, Categorical
from conceal_jax.audit.certificates.bounds import noise_mechanism_accuracy, uniform_priors
from conceal_jax.audit.certificates.certificate import AuditSet, CertificateRefusedError
from conceal_jax.audit.certificates.certify import certify_noise_mechanism
from conceal_jax.audit.certificates.issuing import certificates
from conceal_jax.audit.release import Release
from conceal_jax.config import CensorConfig, ModelConfig
from conceal_jax.evaluation.certificates import described
from conceal_jax.models.bottleneck import (
    BOTTLENECKS,
    ClippedMean,
    FiniteCode,
    Gaussian,
    Posterior,
    create_bottleneck,
    rate_per_dimension,
)

PEOPLE = 20_000
FINITE = FiniteCode(3, (4, 3, 2))
ALL = [Gaussian(3), ClippedMean(3, 0.7), FINITE]
GENDER = Categorical("gender", ("male", "female"))
AUDIT_SET = AuditSet("anybody", used_in_training=False, used_in_selection=False, one_photo_per_person=True)


def statistics_of(bottleneck, count=64, scale=1.0, seed=0):
    return scale * jax.random.normal(jax.random.key(seed), (count, bottleneck.statistics_dim))


def codes_of(bottleneck, statistics, seed=1):
    noise = jax.random.normal(jax.random.key(seed), (len(statistics), bottleneck.latent_dim))
    return bottleneck.sample(bottleneck.posterior(statistics), noise)


@pytest.mark.parametrize("bottleneck", ALL, ids=lambda each: type(each).__name__)
@pytest.mark.parametrize("scale", [0.0, 1.0, 1e4])
def test_codes_rates_and_gradients_are_finite(bottleneck, scale):
    statistics = statistics_of(bottleneck, scale=scale)

    def cost(statistics):
        rates = bottleneck.rate(bottleneck.posterior(statistics))
        return jnp.sum(rates) + jnp.sum(codes_of(bottleneck, statistics)), rates

    gradient, rates = jax.grad(cost, has_aux=True)(statistics)
    assert rates.shape == (len(statistics), bottleneck.latent_dim)
    assert np.isfinite(rates).all()
    assert rates.min() > -1e-5
    assert np.isfinite(gradient).all()


@given(npst.arrays(np.float32, (5, 4), elements=st.floats(-1e3, 1e3, width=32)), st.floats(0.05, 20))
def test_a_clipped_mean_lies_in_the_ball_and_its_noise_is_the_same_for_all(statistics, noise):
    bottleneck = ClippedMean(4, noise)
    posterior = bottleneck.posterior(jnp.asarray(statistics))
    assert np.linalg.norm(np.asarray(posterior.mean, np.float64), axis=1).max() <= bottleneck.radius
    np.testing.assert_allclose(jnp.exp(posterior.log_variance / 2), bottleneck.sigma, rtol=1e-4)
    assert bottleneck.sigma / bottleneck.radius == pytest.approx(noise)


def test_the_rate_of_a_clipped_mean_is_below_the_capacity_of_its_channel():
    bottleneck = ClippedMean(16, 0.3)
    rates = bottleneck.rate(bottleneck.posterior(statistics_of(bottleneck, scale=100.0))).sum(axis=1)
    capacity = 8 * np.log1p(1 / (16 * 0.3**2))
    np.testing.assert_allclose(rates, capacity, rtol=1e-4)


def test_the_rate_of_a_finite_code_is_what_its_cells_tell():
    """Against cells counted over many samples, and never above the KL before rounding."""
    posterior = FINITE.posterior(statistics_of(FINITE, count=6, seed=3))
    rates = FINITE.rate(posterior)
    assert (rates <= rate_per_dimension(posterior) + 1e-5).all()
    noise = jax.random.normal(jax.random.key(0), (PEOPLE, 6, 3))
    codes = np.asarray(jax.vmap(lambda each: FINITE.sample(posterior, each))(noise))
    for person in range(6):
        for number, levels in enumerate(FINITE.levels):
            _, counts = np.unique(codes[:, person, number].round(4), return_counts=True)
            assert rates[person, number] == pytest.approx(np.log(levels) - stats.entropy(counts), abs=0.02)


def test_the_rate_of_a_finite_code_is_at_most_the_logarithm_of_its_values():
    certain = FINITE.posterior(jnp.concatenate([jnp.full((1, 3), 9.0), jnp.full((1, 3), -1e3)], axis=1))
    assert float(FINITE.rate(certain).sum()) == pytest.approx(np.log(24), rel=1e-4)


def test_a_bottleneck_is_a_value_whose_numbers_can_be_mapped_over_and_differentiated_by():
    def rate(bottleneck):
        return bottleneck.rate(bottleneck.posterior(jnp.ones((1, 4)))).sum()

    stacked = ClippedMean(4, jnp.array([0.5, 1.0, 2.0]))
    rates = jax.jit(jax.vmap(rate))(stacked)
    np.testing.assert_allclose(rates, [rate(ClippedMean(4, noise)) for noise in (0.5, 1.0, 2.0)], rtol=1e-5)
    # d/dn of L/2 log(1 + 1 / (L n^2)) at 1.
    assert float(jax.grad(rate)(ClippedMean(4, 1.0)).noise) == pytest.approx(-4 / (4 + 1), rel=1e-3)


def test_configurations_name_bottlenecks():
    assert create_bottleneck(ModelConfig(latent_dim=5)) == Gaussian(5)
    assert create_bottleneck(ModelConfig(latent_dim=5, bottleneck="clipped", noise=2.0)) == ClippedMean(5, 2.0)
    assert create_bottleneck(CensorConfig(bottleneck="finite", levels=(4, 3))) == FiniteCode(2, (4, 3))
    assert set(BOTTLENECKS) >= {"gaussian", "clipped", "finite"}
    with pytest.raises(ValueError, match=r"'gausian'; registered are gaussian, clipped, finite"):
        create_bottleneck(ModelConfig(bottleneck="gausian"))


def read_by_projection(codes, labels):
    """Balanced accuracy of the best attacker on two Gaussians whose means differ in the first number alone."""
    return ((np.asarray(codes)[:, 0] > 0) == labels).mean()


def worst_statistics(dimensions, labels):
    """An encoder that wants to tell the label: as far out as it can, in opposite directions."""
    return jnp.zeros((len(labels), dimensions)).at[:, 0].set(jnp.where(labels, 1e4, -1e4))


LABELS = np.arange(PEOPLE) % 2 == 1


def test_trap_1_noise_that_depends_on_the_photo_is_not_certified():
    """Equal means and unequal deviations are told apart; only a bottleneck that cannot make them is certified."""
    statistics = jnp.zeros((PEOPLE, 16)).at[:, 8:].set(jnp.where(LABELS[:, None], np.log(9.0), 0.0))
    norms = np.linalg.norm(codes_of(Gaussian(8), statistics), axis=1)
    assert ((norms > 4.4) == LABELS).mean() > 0.97
    with pytest.raises(CertificateRefusedError, match="sigma depends on the photo"):
        certify_noise_mechanism(described(Gaussian(8)), attribute="gender", priors=uniform_priors(2))
    deviations = ClippedMean(16, 1.0).posterior(statistics).log_variance
    assert np.ptp(deviations) == 0


@pytest.mark.parametrize("noise", [0.5, 1.0, 2.0])
def test_the_certificate_of_a_clipped_mean_is_attained_and_not_exceeded(noise):
    bottleneck = ClippedMean(8, noise)
    (certificate,), refused = certificates(
        AttributeSet((GENDER,)), described(bottleneck), AUDIT_SET, Release({}, codes=np.zeros((0, 8), np.float32))
    )
    assert not refused
    assert certificate.bound == pytest.approx(stats.norm.cdf(1 / noise), abs=1e-6)
    read = read_by_projection(codes_of(bottleneck, worst_statistics(8, LABELS)), LABELS)
    assert read == pytest.approx(certificate.bound, abs=0.012)


def test_trap_2_several_codes_of_a_photo_tell_what_the_certificate_for_several_says():
    bottleneck = ClippedMean(8, 2.0)
    statistics = worst_statistics(8, LABELS)
    mean = sum(codes_of(bottleneck, statistics, seed) for seed in range(4)) / 4
    read = read_by_projection(mean, LABELS)
    assert read > bottleneck_bound(bottleneck, 1) + 0.1
    assert read == pytest.approx(bottleneck_bound(bottleneck, 4), abs=0.012)


def bottleneck_bound(bottleneck, releases):
    mechanism = bottleneck.mechanism()
    return noise_mechanism_accuracy(mechanism.clip_radius, mechanism.sigma, uniform_priors(2), releases)


@pytest.mark.parametrize("bottleneck", ALL, ids=lambda each: type(each).__name__)
def test_trap_3_what_is_released_is_no_deterministic_mean(bottleneck):
    assert bottleneck.mechanism().kind != "mean"
    posterior = bottleneck.posterior(jnp.zeros((PEOPLE, bottleneck.statistics_dim)))
    # One and the same posterior for all: what still differs between the codes is noise.
    codes = codes_of(bottleneck, jnp.zeros((PEOPLE, bottleneck.statistics_dim)))
    assert np.ptp(posterior.mean, axis=0).max() == 0
    assert codes.std(axis=0).min() > 0.5


def test_trap_3_a_finite_code_is_certified_from_people_and_a_gaussian_is_not():
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 2, 4000).astype(np.int32)
    statistics = statistics_of(FINITE, 4000).at[:, 0].add(labels * 1.0)
    people = Release({"gender": labels}, codes=np.asarray(codes_of(FINITE, statistics)))
    (certificate,), _ = certificates(AttributeSet((GENDER,)), described(FINITE), AUDIT_SET, people)
    values = np.unique(people.codes, axis=0)
    assert len(values) <= 24
    guesses = people.codes[:, 0] > np.median(people.codes[:, 0])
    assert (guesses == labels).mean() < certificate.bound < 0.85
    issued, refused = certificates(AttributeSet((GENDER,)), described(Gaussian(3)), AUDIT_SET, people)
    assert not issued
    assert "sigma depends" in refused["gender"]


def test_every_release_certified_from_the_same_people_costs_confidence():
    labels = (np.arange(4000) % 2).astype(np.int32)
    people = Release({"gender": labels}, codes=np.asarray(codes_of(FINITE, statistics_of(FINITE, 4000))))
    bounds = [
        certificates(AttributeSet((GENDER,)), described(FINITE), AUDIT_SET, people, releases)[0][0].bound
        for releases in (1, 20)
    ]
    assert bounds[0] < bounds[1]


def test_trap_4_what_is_decoded_under_the_neutral_label_is_a_function_of_the_code_alone():
    assert not described(FINITE).neutral_depends_on_photo
    attributes = AttributeSet((GENDER,)).with_neutral({"gender": np.array([0, 0, 1], np.int32)})
    # It has no argument that could be a photo, or anything computed from one.
    np.testing.assert_allclose(attributes.neutral_vector(), [2 / 3, 1 / 3], rtol=1e-6)


def test_a_posterior_says_what_is_rounded():
    posterior = Posterior(jnp.zeros((1, 3)), jnp.zeros((1, 3)))
    np.testing.assert_allclose(FINITE.rate(posterior), 0.0, atol=1e-5)
