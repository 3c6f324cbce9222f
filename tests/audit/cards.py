"""Audits made by hand, and their reports."""

import dataclasses
from collections.abc import Mapping

import numpy as np

from conceal_jax.attributes import MISSING_CLASS, AttributeSet, Categorical, Continuous
from conceal_jax.audit.audit import Audit
from conceal_jax.audit.certificates.certificate import Certificate
from conceal_jax.audit.controls import PLANTED, SHUFFLED
from conceal_jax.audit.floors import Floor
from conceal_jax.audit.reading import Answer, Reading, judge
from conceal_jax.audit.report.assemble import assemble
from conceal_jax.audit.report.schema import Certificates, Context, Distortion, People, Refusal, Report
from conceal_jax.audit.statistics import Estimate
from conceal_jax.audit.targets import Target, value_of
from conceal_jax.audit.utility import Identification

PEOPLE = 600
GENDER = Categorical("gender", ("male", "female"))
AGE = Continuous("age", 0, 100, "years", edges=(0, 30, 60, 95))
SMILE = Categorical("smile", ("no", "yes"))
POSE = Continuous("pose", -1, 1, "radians")
BEARD, HAT = Categorical("beard", ("no", "yes")), Categorical("hat", ("no", "yes"))
ATTRIBUTES = AttributeSet((GENDER, AGE), (SMILE, POSE))
JOINT = "gender x age"


def make_targets() -> dict[str, Target]:
    generator = np.random.default_rng(0)
    ages = generator.uniform(0, 95, PEOPLE).astype(np.float32)
    ages[:4] = 99
    genders = generator.integers(0, 2, PEOPLE).astype(np.int32)
    genders[-20:] = MISSING_CLASS
    groups = AGE.groups(ages)
    joint = np.where((genders == MISSING_CLASS) | (groups == 3), MISSING_CLASS, genders * 3 + groups)
    binary = {name: generator.integers(0, 2, PEOPLE).astype(np.int32) for name in ("smile", "beard", "hat")}
    return {
        "gender": Target(genders, 2),
        "age": Target(groups, 4),
        value_of("age"): Target(ages, 0),
        JOINT: Target(joint.astype(np.int32), 6),
        value_of("pose"): Target(generator.uniform(-1, 1, PEOPLE).astype(np.float32), 0),
        **{name: Target(labels, 2) for name, labels in binary.items()},
        PLANTED: Target(generator.integers(0, 2, PEOPLE).astype(np.int32), 2),
        SHUFFLED: Target(generator.integers(0, 2, PEOPLE).astype(np.int32), 2),
    }


TARGETS = make_targets()


def read(targets: Mapping[str, Target], signals: Mapping[str, float], seed: int) -> dict[str, Reading]:
    """Readings by a good attacker, which sees the labels with so much signal in the noise, and by a poor one."""
    answers: dict[str, dict[str, Answer]] = {"good": {}, "poor": {}}
    for number, (name, target) in enumerate(targets.items()):
        generator = np.random.default_rng((seed, number))
        truth = np.eye(target.class_count)[target.labels] if target.class_count else target.labels
        for attacker, signal in (("good", signals.get(name, 3.0 if target.class_count else 1.0)), ("poor", 0.0)):
            scores = signal * truth + generator.normal(size=truth.shape)
            shares = np.full_like(scores, -np.log(max(target.class_count, 1)))
            answers[attacker][name] = Answer(scores, *((shares, shares) if target.class_count else ()))
    return judge(answers, targets)


def floor(target: Target) -> Floor:
    chance = 1 / len(np.unique(target.labels[target.known]))
    return Floor(chance, Estimate(chance, (chance - 0.005, chance + 0.005)))


def make_audit() -> Audit:
    """A release that tells gender as well as originals do, and age less well; of the undeclared, only beards."""
    released = {PLANTED: 1.0, SHUFFLED: 0.0, "hat": 0.0}
    concealed = {name: TARGETS[name] for name in ("gender", "age", value_of("age"))}
    return Audit(
        attributes=ATTRIBUTES,
        undeclared=(BEARD, HAT),
        unwatched=("moustache",),
        joint={JOINT: tuple(f"{a} x {b}" for a in GENDER.classes for b in AGE.group_names[:3])},
        floors={name: floor(TARGETS[name]) for name in ("gender", "age", JOINT, "beard", "hat")},
        originals=read(TARGETS, {SHUFFLED: 0.0}, 0),
        codes=read(TARGETS, {**released, "age": 0.5}, 1),
        pictures=read(TARGETS, {**released, "age": 1.0}, 2),
        repeats={str(m): read(concealed, {"gender": i + 1.0}, 3) for i, m in enumerate((1, 4, 16, 64, "mean"))},
        identity={"codes": Identification(Estimate(0.04, (0.02, 0.07)), 250, 1 / 250)},
        warnings=("gender: attackers on the codes alone were too weak.",),
        reader=None,
    )


def only(found: Audit, sources: tuple[str, ...]) -> Audit:
    """The audit as if nothing else had been given."""
    return dataclasses.replace(
        found, **{name: {} for name in ("originals", "codes", "pictures") if name not in sources}
    )


def blind(found: Audit) -> Audit:
    """The audit as if the attackers on codes had missed what was planted there."""
    return dataclasses.replace(found, codes={**found.codes, PLANTED: found.codes[SHUFFLED]})


def with_gender_at(found: Audit, value: float) -> Audit:
    """The audit as if gender were read so well from what is released, and that known to a hundredth."""
    estimate = Estimate(value, (value - 0.01, value + 0.01))
    figures = dataclasses.replace(
        found.codes["gender"].best, metrics={"balanced_accuracy": estimate}, simultaneous=estimate.ci95
    )
    reading = {"gender": Reading((figures,), found.codes["gender"].support)}
    return dataclasses.replace(
        found,
        codes=found.codes and {**found.codes, **reading},
        pictures=found.pictures and {**found.pictures, **reading},
    )


CERTIFICATE = Certificate(
    "gender", "balanced accuracy", 0.58341, 0.5, "finite code", "the code", "adults", 0.95, 1, 1, 10_000
)
CERTIFICATES = Certificates((CERTIFICATE,), (Refusal("age", "sigma varies"),))
CONTEXT = Context(
    People(7000, 600), seed=0, seconds=12.5, step=100, distortion=Distortion(20.123456, float("nan")), rate_nats=38.5
)


def make_report(found: Audit) -> Report:
    requested = {name: found.codes[name] for name in ("gender", "age")}
    return assemble(found, CONTEXT, requested, CERTIFICATES)
