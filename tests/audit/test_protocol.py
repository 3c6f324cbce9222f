"""The protocol end to end on planted worlds, and its refusals."""

import numpy as np
import pytest

from conceal_jax.attributes import AGE_GROUPS, AttributeSet, Categorical, Continuous
from conceal_jax.audit import protocol
from conceal_jax.audit.cnn import PictureReader
from conceal_jax.audit.targets import Target, value_of

ATTRIBUTES = AttributeSet(
    (Categorical("gender", ("male", "female")), Continuous("age", 0, 100, "years", edges=AGE_GROUPS)),
    (Categorical("hair", ("short", "long", "curly")), Continuous("pose", -1, 1)),
)


def people(count: int, seed: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Codes that hold gender, hair and pose with noise, and nothing of age; with the labels."""
    generator = np.random.default_rng(seed)
    labels = {
        "gender": generator.integers(0, 2, count),
        "age": generator.uniform(0, 100, count),
        "hair": generator.integers(0, 3, count),
        "pose": generator.uniform(-1, 1, count),
    }
    signal = np.concatenate(
        [labels["gender"][:, None], np.eye(3)[labels["hair"]], labels["pose"][:, None], np.zeros((count, 3))], axis=1
    )
    return (3 * signal + generator.normal(size=signal.shape)).astype(np.float32), labels


@pytest.fixture(scope="module")
def readings() -> dict[str, protocol.Reading]:
    return protocol.read_codes(*people(1500, 0), *people(600, 1), ATTRIBUTES)


def test_every_attribute_is_read_by_every_attacker(readings):
    assert set(readings) == {"gender", "age", "hair", "pose"}
    assert {figures.attacker for figures in readings["hair"].attackers} == {"linear", "mlp"}


def test_metrics_suit_the_attribute_the_decisive_first(readings):
    metrics = {name: list(reading.best.metrics) for name, reading in readings.items()}
    assert metrics == {
        "gender": ["balanced_accuracy", "auc"],
        "age": ["balanced_accuracy", "r2", "mae"],
        "hair": ["balanced_accuracy"],
        "pose": ["r2", "mae"],
    }


def test_what_codes_hold_is_read_as_well_as_can_be(readings):
    # Two unit Gaussians 3 apart are told apart with probability Phi(1.5) = .933.
    assert readings["gender"].best.decisive.value == pytest.approx(0.933, abs=0.03)
    assert readings["hair"].best.decisive.value > 0.9
    # The best linear reading of a uniform signal of variance 3 under unit noise explains 3/4 of it.
    assert readings["pose"].best.decisive.value == pytest.approx(0.75, abs=0.04)


def test_what_codes_do_not_hold_is_not_read(readings):
    age = readings["age"].best.metrics
    assert age["balanced_accuracy"].ci95[0] < 1 / 9
    assert age["r2"].value < 0.02
    # Guessing the middle of a uniform range of 100 years errs by 25 on average.
    assert age["mae"].value == pytest.approx(25, abs=1.5)


def test_the_best_attacker_has_the_highest_decisive_figure(readings):
    for reading in readings.values():
        assert reading.best.decisive.value == max(figures.decisive.value for figures in reading.attackers)


def test_support_counts_known_test_labels():
    codes, labels = people(200, 0)
    labels["hair"][:150] = -1
    labels["pose"][:20] = np.nan
    readings = protocol.read_codes(codes, labels, codes, labels, ATTRIBUTES)
    assert readings["hair"].support == tuple(np.bincount(labels["hair"][150:]))
    assert readings["pose"].support == (180,)


class Oracle(PictureReader):
    """Reads gender and age from the pictures' first pixel."""

    name = "oracle"

    def predict(self, pictures: np.ndarray) -> dict[str, np.ndarray]:
        gender, age = pictures[:, 0, 0, 0].astype(int), pictures[:, 0, 0, 1].astype(float)
        groups = ATTRIBUTES.concealed[1].groups(age)
        return {"gender": np.eye(2)[gender], "age": np.eye(9)[groups], value_of("age"): age}


def test_agreement_with_the_labels_asked_for():
    pictures = np.zeros((200, 32, 32, 3), np.uint8)
    gender, age = np.arange(200) % 2, np.arange(200) % 90
    pictures[:, 0, 0, 0] = np.where(np.arange(200) < 20, 1 - gender, gender)
    pictures[:, 0, 0, 1] = age + 5
    readings = protocol.asked_for(Oracle(), pictures, {"gender": gender, "age": age}, ATTRIBUTES)
    assert readings["gender"].best.decisive.value == pytest.approx(0.9)
    assert readings["age"].best.metrics["mae"].value == pytest.approx(5)


def test_only_concealed_attributes_can_be_asked_for():
    pictures = np.zeros((50, 32, 32, 3), np.uint8)
    with pytest.raises(ValueError, match=r"got labels asked for of \['hair'\].*concealed gender, age"):
        protocol.asked_for(Oracle(), pictures, {"hair": np.arange(50) % 3}, ATTRIBUTES)


def test_pictures_are_read_and_the_reader_is_handed_back():
    attributes = AttributeSet((Categorical("gender", ("male", "female")),))
    generator = np.random.default_rng(0)
    gender = generator.integers(0, 2, 256)
    pictures = generator.normal(100 + 60 * gender[:, None, None, None], 20, (256, 32, 32, 3))
    pictures = pictures.clip(0, 255).astype(np.uint8)
    readings, reader = protocol.read_pictures(
        pictures[:192], {"gender": gender[:192]}, pictures[192:], {"gender": gender[192:]}, attributes, epochs=4
    )
    assert readings["gender"].best.attacker == "cnn"
    assert readings["gender"].best.decisive.value > 0.95
    again = protocol.asked_for(reader, pictures[192:], {"gender": gender[192:]}, attributes)
    assert again["gender"].best.decisive == readings["gender"].best.decisive


def test_broken_codes_are_refused():
    codes, labels = people(100, 0)
    broken = codes.copy()
    broken[[3, 7], 2] = np.nan, np.inf
    with pytest.raises(ValueError, match="2 of 100 test codes hold NaN or infinity"):
        protocol.read_codes(codes, labels, broken, labels, ATTRIBUTES)
    with pytest.raises(ValueError, match=r"got train codes float32 \[100\]"):
        protocol.read_codes(codes[:, 0], labels, codes, labels, ATTRIBUTES)


def test_codes_without_their_labels_are_refused():
    codes, labels = people(100, 0)
    with pytest.raises(ValueError, match="got 90 codes or pictures and 100 labels"):
        protocol.read_codes(codes[:90], labels, codes, labels, ATTRIBUTES)


def test_twelve_people_are_refused():
    with pytest.raises(ValueError, match="got 12 labelled train examples"):
        protocol.read_codes(*people(12, 0), *people(12, 1), ATTRIBUTES)


def test_support_of_a_target_with_an_absent_class():
    assert protocol._support(Target(np.array([0, 0, 2, -1]), 3)) == (2, 0, 1)
