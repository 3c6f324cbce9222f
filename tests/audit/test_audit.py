"""The whole audit on small worlds: what is found, what is not, and what is refused."""

import dataclasses

import numpy as np
import pytest

from conceal_jax.attributes import AttributeSet, Categorical
from conceal_jax.audit.audit import Audit, audit
from conceal_jax.audit.controls import PLANTED, SHUFFLED
from conceal_jax.audit.examples import Posterior
from conceal_jax.audit.release import Release
from conceal_jax.audit.settings import Settings

GENDER, GROUP, SMILE = (Categorical(name, ("no", "yes")) for name in ("gender", "group", "smile"))
ATTRIBUTES = AttributeSet((GENDER, GROUP), (SMILE,))
HAT, RARE = Categorical("hat", ("no", "yes")), Categorical("rare", ("no", "yes"))
JOINT = "gender x group"


def world(count: int, seed: int) -> Release:
    """Codes that hold gender, smile and hat, each behind noise; group is nowhere, but half of it follows the smile."""
    generator = np.random.default_rng(seed)
    labels = {name: generator.integers(0, 2, count).astype(np.int32) for name in ("gender", "group", "smile", "hat")}
    labels["group"] = np.where(generator.random(count) < 0.5, labels["smile"], labels["group"])
    labels["rare"] = (np.arange(count) == 0).astype(np.int32)
    mean = np.zeros((count, 6), np.float32)
    for column, name in enumerate(("gender", "smile", "hat")):
        mean[:, column] = labels[name]
    std = np.full((count, 6), 0.5, np.float32)
    codes = mean + std * generator.normal(size=mean.shape).astype(np.float32)
    people = np.arange(count) + 10_000 * seed
    return Release(labels, codes=codes, posterior=Posterior(mean, std), people=people, persons_known=True)


@pytest.fixture(scope="module")
def found() -> Audit:
    return audit(world(1500, 0), world(800, 1), ATTRIBUTES, (HAT, RARE), Settings(seed=1))


def test_every_attacker_reads_the_leak_as_well_as_can_be(found):
    # Two Gaussians 2 standard deviations apart: Phi(1) = .841.
    reading = found.codes["gender"]
    assert {figures.attacker for figures in reading.attackers} == {
        "majority",
        "linear",
        "mlp-128",
        "mlp-384",
        "trees",
        "neighbours",
        "kernel",
        "histograms",
        "moments",
        "quadratic",
        "mixture",
        "ensemble",
    }
    assert reading.highest.value == pytest.approx(0.841, abs=0.03)
    assert reading.highest.ci95[0] < 0.841 < reading.highest.ci95[1]


def test_what_the_kept_labels_tell_is_the_floor_not_a_leak(found):
    # Group agrees with the smile in 3 of 4 people.
    assert found.floors["group"].floor.value == pytest.approx(0.75, abs=0.04)
    assert found.floors["gender"].floor.value == pytest.approx(0.5, abs=0.04)
    assert 0.6 < found.codes["group"].highest.value < 0.78


def test_conjunctions_are_read_and_have_a_floor(found):
    assert found.joint[JOINT] == ("no x no", "no x yes", "yes x no", "yes x yes")
    assert found.floors[JOINT].chance == 0.25
    assert found.codes[JOINT].highest.value > found.floors[JOINT].floor.value


def test_undeclared_attributes_are_watched_where_there_are_people_enough(found):
    assert found.undeclared == (HAT,)
    assert found.unwatched == ("rare",)
    assert found.codes["hat"].highest.value > 0.8
    assert found.floors["hat"].floor.value < 0.56


def test_controls_come_out_as_they_must(found):
    assert found.codes[PLANTED].highest.value > 0.65
    low, high = found.codes[SHUFFLED].highest.ci95
    assert low < 0.5 < high


def test_the_noise_hides_less_the_more_releases_there_are(found):
    figures = [readings["gender"].best.decisive.value for readings in found.repeats.values()]
    assert list(found.repeats) == ["1", "4", "16", "64", "mean"]
    # Averaging m releases divides the noise by sqrt(m): .841, .977, 1, 1, and the mean tells everything.
    assert figures[0] == pytest.approx(0.841, abs=0.03)
    assert figures[1] == pytest.approx(0.977, abs=0.02)
    assert figures[2:] == [1.0, 1.0, 1.0]


def test_out_of_fold_everyone_is_judged():
    people = world(900, 0)
    found = audit(people, people, ATTRIBUTES, settings=Settings(quick=True, folds=3))
    assert sum(found.codes["gender"].support) == 900
    assert found.codes["gender"].highest.value == pytest.approx(0.841, abs=0.04)
    assert found.repeats == {}
    assert found.floors["group"].floor.value == pytest.approx(0.75, abs=0.05)


def pictured(count: int, seed: int) -> Release:
    """Pictures whose brightness tells gender, from codes that tell it too well hidden for a quick reader."""
    base = world(count, seed)
    generator = np.random.default_rng(seed)
    bright = 60 + 100 * base.labels["gender"][:, None, None, None]
    pictures = (bright + generator.normal(0, 20, (count, 32, 32, 3))).clip(0, 255).astype(np.uint8)
    noise = generator.normal(size=(count, 6)).astype(np.float32)
    return dataclasses.replace(base, codes=noise, posterior=None, pictures=pictures, originals=pictures)


def test_a_code_is_read_through_its_pictures_and_the_order_is_watched():
    found = audit(pictured(600, 0), pictured(300, 1), ATTRIBUTES, settings=Settings(quick=True, cnn_epochs=4))
    names = {figures.attacker for figures in found.codes["gender"].attackers}
    assert {"decoder+cnn-1", "decoder+cnn-2", "decoder+stale cnn"} <= names
    assert found.codes["gender"].highest.value > 0.95
    assert any(warning.startswith("gender: attackers on the codes alone read") for warning in found.warnings)
    assert {figures.attacker for figures in found.pictures["gender"].attackers} == {
        "cnn-1",
        "cnn-2",
        "ensemble",
        "stale cnn",
    }
    assert found.originals["gender"].best.attacker == "cnn-0"


def test_people_too_few_or_of_one_class_are_refused():
    few, enough = world(12, 0), world(300, 1)
    with pytest.raises(ValueError, match="gender: got 12 labelled train examples"):
        audit(few, enough, ATTRIBUTES)
    same = dataclasses.replace(enough, labels={**enough.labels, "gender": np.zeros(300, np.int32)})
    with pytest.raises(ValueError, match="gender: all 300 labelled train examples have the same label"):
        audit(same, world(300, 2), ATTRIBUTES)


def test_someone_on_both_sides_is_refused():
    release = world(300, 0)
    with pytest.raises(ValueError, match="100 people are in both the training and the test part"):
        audit(release, release.take(np.arange(100)), ATTRIBUTES)


def test_broken_codes_and_lengths_that_differ_are_refused():
    release = world(50, 0)
    broken = release.codes.copy()
    broken[[3, 7], 2] = np.nan, np.inf
    with pytest.raises(ValueError, match="2 of 50 codes hold NaN or infinity"):
        dataclasses.replace(release, codes=broken)
    with pytest.raises(ValueError, match="got different numbers of people"):
        dataclasses.replace(release, codes=release.codes[:40])
    with pytest.raises(ValueError, match="got neither codes nor pictures"):
        dataclasses.replace(release, codes=None)
