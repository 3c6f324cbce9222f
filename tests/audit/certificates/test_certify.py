"""Certificates: the four traps, what is refused and why, and finite codes in worlds whose best attacker is known."""

import dataclasses
import json
import math

import numpy as np
import pytest
from scipy import stats

from conceal_jax.audit.certificates import bounds
from conceal_jax.audit.certificates.certificate import AuditSet, CertificateRefusedError, ReleaseDescription
from conceal_jax.audit.certificates.certify import certify_finite_code, certify_noise_mechanism

NOISY = ReleaseDescription("gaussian", neutral_depends_on_photo=False, repeats_identical=True, clip_radius=1, sigma=2)
FINITE = ReleaseDescription("finite", neutral_depends_on_photo=False, repeats_identical=True)
STRANGERS = AuditSet("adults in Utopia", used_in_training=False, used_in_selection=False, one_photo_per_person=True)
EQUAL = bounds.uniform_priors(2)
PEOPLE = 4000


@pytest.fixture
def generator() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture
def people(generator) -> tuple[np.ndarray, np.ndarray]:
    """Codes of 16 values that lean towards the label, and labels."""
    labels = generator.integers(2, size=PEOPLE)
    return np.minimum(generator.integers(16, size=PEOPLE) + 3 * labels, 15), labels


def changed(described, **changes: object):
    return dataclasses.replace(described, **changes)


def test_trap_1_a_floor_under_a_data_dependent_sigma_certifies_nothing(generator):
    labels = generator.integers(2, size=20_000)
    sigma = np.where(labels, 3.0, 1.0)
    codes = sigma[:, None] * generator.standard_normal((len(labels), 8))
    norms = np.sum(codes**2, axis=1)
    # Where chi-squared densities with deviations 1 and 3 are equal.
    read = np.mean((norms > 8 * np.log(9) / (1 - 1 / 9)) == labels)
    assert read > 0.97
    assert bounds.noise_mechanism_accuracy(0.0, sigma.min(), EQUAL) == 0.5, "equal means over a floor of 1 look safe"
    with pytest.raises(CertificateRefusedError, match="sigma depends on the photo"):
        certify_noise_mechanism(changed(NOISY, sigma=None), attribute="gender", priors=EQUAL)


def test_trap_2_repeats_multiply_mu_by_the_root_of_their_number(generator):
    repeats, labels = 16, generator.integers(2, size=40_000)
    codes = (2 * labels - 1) + 2 * generator.standard_normal((repeats, len(labels)))
    read = np.mean((codes.mean(axis=0) > 0) == labels)
    one = certify_noise_mechanism(NOISY, attribute="gender", priors=EQUAL)
    many = changed(NOISY, repeats_identical=False, releases_per_photo=repeats)
    composed = certify_noise_mechanism(many, attribute="gender", priors=EQUAL)
    assert one.bound + 0.2 < read <= composed.bound + 0.003
    assert (one.releases, composed.releases) == (1, repeats)
    with pytest.raises(CertificateRefusedError, match="again and again"):
        certify_noise_mechanism(changed(many, releases_per_photo=None), attribute="gender", priors=EQUAL)


def test_trap_3_a_deterministic_mean_code_is_refused(generator, people):
    # Every person has a mean of their own, so the sample shows nothing of the attribute that its last digit tells.
    labels = generator.integers(2, size=PEOPLE)
    means = 2 * generator.permutation(PEOPLE) + labels
    assert len(np.unique(means)) == PEOPLE
    assert (means % 2 == labels).all()
    mean = changed(FINITE, kind="mean")
    with pytest.raises(CertificateRefusedError, match="deterministic mean"):
        certify_noise_mechanism(changed(NOISY, kind="mean"), attribute="gender", priors=EQUAL)
    with pytest.raises(CertificateRefusedError, match="deterministic mean"):
        certify_finite_code(means, labels, 2, attribute="gender", release=mean, audit_set=STRANGERS)
    with pytest.raises(CertificateRefusedError, match="too few for a code that took 4000 values"):
        certify_finite_code(means, labels, 2, attribute="gender", release=FINITE, audit_set=STRANGERS)


def test_trap_4_a_neutral_label_from_the_photo_leaks_whatever_the_code_is(generator, people):
    old = generator.integers(2, size=PEOPLE)
    code = generator.integers(16, size=PEOPLE)
    nearest_other_age = 1 - old
    pictures = code * 2 + nearest_other_age
    honest = certify_finite_code(code, old, 2, attribute="age", release=FINITE, audit_set=STRANGERS)
    read = np.mean(1 - pictures % 2 == old)
    assert read == 1 > honest.bound + 0.3
    for release in (FINITE, NOISY):
        with pytest.raises(CertificateRefusedError, match="neutral label was computed from the photo"):
            certify_finite_code(
                code,
                old,
                2,
                attribute="age",
                release=changed(release, neutral_depends_on_photo=True),
                audit_set=STRANGERS,
            )
    with pytest.raises(CertificateRefusedError, match="neutral label was computed from the photo"):
        certify_noise_mechanism(changed(NOISY, neutral_depends_on_photo=True), attribute="age", priors=EQUAL)


@pytest.mark.parametrize(
    ("release", "message"),
    [(FINITE, "use certify_finite_code"), (changed(NOISY, clip_radius=None), "not clipped")],
)
def test_noise_mechanisms_that_bound_nothing_are_refused(release, message):
    with pytest.raises(CertificateRefusedError, match=message):
        certify_noise_mechanism(release, attribute="gender", priors=EQUAL)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"release": NOISY}, "infinitely many values"),
        ({"release": changed(FINITE, repeats_identical=False)}, "again and again"),
        ({"release": changed(FINITE, repeats_identical=False, releases_per_photo=4)}, "4 different codes"),
        ({"audit_set": dataclasses.replace(STRANGERS, used_in_training=True)}, "took part in training"),
        ({"audit_set": dataclasses.replace(STRANGERS, used_in_selection=True)}, "took part in selection"),
        ({"audit_set": dataclasses.replace(STRANGERS, one_photo_per_person=False)}, "several photos of one person"),
        ({"labels": np.where(np.arange(PEOPLE) < 7, -1, 0)}, "7 of 4000 labels are missing"),
        ({"labels": np.arange(PEOPLE) // (PEOPLE - 12)}, r"\[3988, 12\] people by class"),
        ({"class_count": 3}, r"people by class"),
    ],
)
def test_finite_codes_of_which_nothing_is_proven_are_refused(people, changes, message):
    asked = {"code_ids": people[0], "labels": people[1], "class_count": 2, "attribute": "gender", "release": FINITE}
    with pytest.raises(CertificateRefusedError, match=message):
        certify_finite_code(**(asked | {"audit_set": STRANGERS} | changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": np.zeros(3, int)}, "expected \\[N\\] and \\[N\\]"),
        ({"labels": np.zeros(PEOPLE)}, "expected integers"),
        ({"labels": np.full(PEOPLE, 2)}, "expected 0 to 1"),
        ({"confidence": 1.0}, "confidence"),
    ],
)
def test_wrong_arguments_are_errors_and_no_refusals(people, changes, message):
    asked = {"code_ids": people[0], "labels": people[1], "class_count": 2, "attribute": "gender", "release": FINITE}
    with pytest.raises(ValueError, match=message) as raised:
        certify_finite_code(**(asked | {"audit_set": STRANGERS} | changes))
    assert not isinstance(raised.value, CertificateRefusedError)


def test_an_audit_set_of_no_certificate_is_refused():
    with pytest.raises(ValueError, match="at least 1"):
        changed(STRANGERS, jointly=0)


def test_a_certificate_for_a_privacy_officer_and_for_json(people):
    three = changed(STRANGERS, jointly=3)
    certificate = certify_finite_code(*people, 2, attribute="gender", release=FINITE, audit_set=three)
    words = certificate.plain_words()
    bound = f"{math.ceil(1000 * certificate.bound) / 10:.1f} %"
    for part in ("gender", bound, "50.0 %", "4,000 people", "adults in Utopia", "95 %"):
        assert part in words
    assert "2 other certificates" in words
    assert json.loads(json.dumps(certificate.to_json())) == certificate.to_json()
    noise = certify_noise_mechanism(NOISY, attribute="gender", priors=EQUAL)
    assert "without any test" in noise.plain_words()
    assert (noise.confidence, noise.people, noise.population) == (1.0, 0, "any population")


def test_accuracy_is_certified_for_the_shares_of_a_population(people):
    priors = np.array([0.8, 0.2])
    noise = certify_noise_mechanism(NOISY, attribute="gender", priors=priors, measure="accuracy", population="Utopia")
    assert (noise.chance, noise.population) == (0.8, "Utopia")
    assert noise.bound == bounds.noise_mechanism_accuracy(1, 2, priors)
    finite = certify_finite_code(
        *people, 2, attribute="gender", release=FINITE, audit_set=STRANGERS, measure="accuracy"
    )
    counts = np.stack([np.bincount(people[0][people[1] == label], minlength=16) for label in (0, 1)], axis=1)
    assert finite.bound == pytest.approx(bounds.finite_code_accuracy(counts))


def test_certificates_that_hold_together_share_the_doubt(people):
    asked = {"attribute": "gender", "release": FINITE}
    alone = certify_finite_code(*people, 2, confidence=1 - 0.05 / 3, audit_set=STRANGERS, **asked)
    together = certify_finite_code(*people, 2, audit_set=changed(STRANGERS, jointly=3), **asked)
    assert together.bound == pytest.approx(alone.bound)
    assert together.confidence == 0.95


WORLDS = 200
FLAT = 1.0


def random_world(generator: np.random.Generator, classes: int, cells: int, evenness: float) -> np.ndarray:
    """float64 [classes, cells]: each class's distribution of codes; evenness 1 is flat over all distributions."""
    return generator.dirichlet(np.full(cells, evenness), size=classes)


def slacks(classes: int, cells: int, people: int, evenness: float | None) -> np.ndarray:
    """float64 [WORLDS, 2]: bound minus the best attacker's accuracy, and the same balanced, in worlds drawn at random.

    With an evenness of None every class has the same distribution, and the code tells nothing.
    """
    generator, differences = np.random.default_rng([classes, cells]), []
    for _ in range(WORLDS):
        codes = random_world(generator, classes, cells, FLAT if evenness is None else evenness)
        codes = np.tile(codes[:1], (classes, 1)) if evenness is None else codes
        priors = generator.dirichlet(np.full(classes, 20.0))
        counts = generator.multinomial(generator.multinomial(people, priors), codes).T
        best, balanced = (priors[:, None] * codes).max(axis=0).sum(), codes.max(axis=0).mean() * cells / classes
        differences.append(
            (bounds.finite_code_accuracy(counts) - best, bounds.finite_code_balanced_accuracy(counts) - balanced)
        )
    return np.array(differences)


@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize("cells", [16, 256, 1024])
@pytest.mark.parametrize("people", [10_000, 200_000])
def test_finite_code_certificates_hold_in_simulated_worlds(classes, cells, people):
    slack = slacks(classes, cells, people, FLAT)
    assert (slack < 0).mean(axis=0).max() <= 0.05
    limit = {(256, 10_000): 0.04, (1024, 200_000): 0.015}.get((cells, people), 1.0)
    assert slack.mean(axis=0).max() <= limit


@pytest.mark.parametrize(("classes", "largest_of_normals"), [(2, 0.5642), (5, 1.1630)])
@pytest.mark.parametrize(("cells", "people"), [(256, 10_000), (1024, 200_000)])
def test_a_code_that_tells_nothing_costs_the_surplus_that_chance_gives_small_cells(
    classes, largest_of_normals, cells, people
):
    # Equally large cells would cost E[largest of `classes` normals] * sqrt(cells / (classes * people)), others less.
    slack = slacks(classes, cells, people, None)[:, 1].mean()
    surplus = largest_of_normals * np.sqrt(cells / (classes * people))
    reach = np.sqrt(np.log(20) / 2 / people)
    assert 0.8 * surplus + reach <= slack <= 1.05 * surplus + 1.1 * reach


def test_the_confidence_is_needed(generator):
    """Without its reach the estimate falls below the truth far more often than one time in twenty."""
    counts = generator.multinomial(1000, [0.5, 0.1, 0.1, 0.3], size=2000).reshape(-1, 2, 2)
    estimates = counts.max(axis=2).sum(axis=1) / 1000
    assert np.mean(estimates < 0.8) > 0.3
    bound = np.array([bounds.finite_code_accuracy(c) for c in counts])
    assert np.mean(bound < 0.8) <= 0.05
    assert np.mean(bound < 0.8) == pytest.approx(stats.binom.cdf(800 - 39, 1000, 0.8), abs=0.005)
