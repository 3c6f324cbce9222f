"""The protocol end to end on planted worlds, and its refusals."""

import numpy as np
import pytest

from conceal_jax.attributes import AGE_GROUPS, AttributeSet, Categorical, Continuous
from conceal_jax.audit import protocol
from conceal_jax.audit.attackers.linear import LinearAttacker
from conceal_jax.audit.attackers.suite import quick_suite
from conceal_jax.audit.examples import Examples
from conceal_jax.audit.floors import floor_attackers, floor_of
from conceal_jax.audit.reading import Reading
from conceal_jax.audit.targets import targets_of, value_of

ATTRIBUTES = AttributeSet(
    (Categorical("gender", ("male", "female")), Continuous("age", 0, 100, "years", edges=AGE_GROUPS)),
    (Categorical("hair", ("short", "long", "curly")), Continuous("pose", -1, 1)),
)


def people(count: int, seed: int) -> Examples:
    """Codes that hold gender, hair and pose with noise, and nothing of age."""
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
    codes = (3 * signal + generator.normal(size=signal.shape)).astype(np.float32)
    return Examples(codes, targets_of(ATTRIBUTES, labels))


@pytest.fixture(scope="module")
def readings() -> dict[str, Reading]:
    return protocol.attack(people(1500, 0), people(600, 1), quick_suite(0))


def test_every_attribute_is_read_by_every_attacker_and_the_ensemble(readings):
    assert set(readings) == {"gender", "age", "hair", "pose"}
    assert {figures.attacker for figures in readings["hair"].attackers} == {"majority", "linear", "mlp-128", "ensemble"}


def test_what_codes_hold_is_read_as_well_as_can_be(readings):
    # Two unit Gaussians 3 apart are told apart with probability Phi(1.5) = .933.
    assert readings["gender"].best.decisive.value == pytest.approx(0.933, abs=0.03)
    assert readings["hair"].best.decisive.value > 0.9
    # The best linear reading of a uniform signal of variance 3 under unit noise explains 3/4 of it.
    assert readings["pose"].best.decisive.value == pytest.approx(0.75, abs=0.04)


def test_what_codes_do_not_hold_is_not_read(readings):
    age = readings["age"].best.metrics
    assert readings["age"].highest.ci95[0] < 1 / 9
    assert age["r2"].value < 0.03
    # Guessing the middle of a uniform range of 100 years errs by 25 on average.
    assert age["mae"].value == pytest.approx(25, abs=1.5)


def test_information_comes_near_the_truth_and_not_above(readings):
    # I(gender; code) of two unit Gaussians 3 apart, by numerical integration: .527 nats.
    best = max(figures.metrics["information_nats"].value for figures in readings["gender"].attackers)
    assert best == pytest.approx(0.527, abs=0.06)


def test_out_of_fold_everyone_is_judged_and_by_strangers_only():
    person = np.repeat(np.arange(300), 2)
    generator = np.random.default_rng(0)
    # A code that tells who somebody is, but nothing of a coin tossed for each person.
    codes = generator.normal(size=(300, 8)).astype(np.float32)[person] + 0.01 * generator.normal(size=(600, 8))
    coin = generator.integers(0, 2, 300)[person]
    targets = targets_of(AttributeSet((Categorical("coin", ("heads", "tails")),)), {"coin": coin})
    known = protocol.attack_out_of_fold(Examples(codes, targets, people=person), [_Nearest()], folds=5)["coin"]
    assert sum(known.support) == 600
    assert known.highest.ci95[0] < 0.5
    forgotten = protocol.attack_out_of_fold(Examples(codes, targets), [_Nearest()], folds=5)["coin"]
    assert forgotten.best.decisive.value > 0.7


class _Nearest:
    """Answers with the label of the nearest person learned from."""

    name = "nearest"

    def fit(self, learn: Examples, choose: Examples) -> "_Nearest":
        self._learn = learn
        return self

    def predict(self, inputs: np.ndarray) -> dict[str, np.ndarray]:
        distances = np.linalg.norm(inputs[:, None] - self._learn.inputs[None], axis=2)
        return {"coin": np.eye(2)[self._learn.targets["coin"].labels[distances.argmin(1)]]}


class _Oracle:
    """Reads gender and age from the pictures' first pixel."""

    name = "oracle"

    def fit(self, learn: Examples, choose: Examples) -> "_Oracle":
        return self

    def predict(self, inputs: np.ndarray) -> dict[str, np.ndarray]:
        gender, age = inputs[:, 0, 0, 0].astype(int), inputs[:, 0, 0, 1].astype(float)
        groups = ATTRIBUTES.concealed[1].groups(age)
        return {"gender": np.eye(2)[gender], "age": np.eye(9)[groups], value_of("age"): age}


def test_agreement_with_the_requested_labels():
    pictures = np.zeros((200, 32, 32, 3), np.uint8)
    gender, age = np.arange(200) % 2, np.arange(200) % 90
    pictures[:, 0, 0, 0] = np.where(np.arange(200) < 20, 1 - gender, gender)
    pictures[:, 0, 0, 1] = age + 5
    readings = protocol.requested(_Oracle(), pictures, {"gender": gender, "age": age}, ATTRIBUTES)
    assert readings["gender"].best.decisive.value == pytest.approx(0.9)
    assert readings["age"].best.metrics["mae"].value == pytest.approx(5)


def test_only_concealed_attributes_can_be_requested():
    pictures = np.zeros((50, 32, 32, 3), np.uint8)
    with pytest.raises(ValueError, match=r"got requests for \['hair'\].*concealed gender, age"):
        protocol.requested(_Oracle(), pictures, {"hair": np.arange(50) % 3}, ATTRIBUTES)


def test_twelve_people_are_refused():
    with pytest.raises(ValueError, match="got 12 labelled train examples"):
        protocol.attack(people(12, 0), people(12, 1), [LinearAttacker()])


def test_the_best_attackers_of_the_people_held_out_make_the_ensemble(readings):
    by_name = {figures.attacker: figures.decisive.value for figures in readings["gender"].attackers}
    assert by_name["ensemble"] >= by_name["linear"] - 0.02
    assert by_name["majority"] == 0.5


def test_an_attribute_without_labels_among_those_held_out_ends_no_audit():
    train, test = people(600, 0), people(300, 1)
    train.inputs[:, -1] = np.arange(600)
    _, held_out = train.split(protocol.VALIDATE_ONE_IN, 0)
    for name, missing in (("gender", -1), ("age", -1), (value_of("age"), np.nan)):
        train.targets[name].labels[held_out.inputs[:, -1].astype(int)] = missing
    readings = protocol.attack(train, test, quick_suite(0))
    assert readings["hair"].best.decisive.value > 0.8
    # Those that read kept labels all choose by the people held out.
    floors = protocol.attack(train, test, floor_attackers(0))
    assert floor_of(floors["gender"]).floor.value == 0.5
    assert floor_of(floors["hair"]).floor.value > 0.8
