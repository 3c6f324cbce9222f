"""Every member of a sweep is audited in the same way: fresh attackers on sampled codes of held-out people."""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np

from conceal_jax.attributes import AttributeSet
from conceal_jax.attributes.appearance import APPEARANCE
from conceal_jax.audit.attackers.attacker import Attacker
from conceal_jax.audit.attackers.suite import full_suite, quick_suite
from conceal_jax.audit.examples import Examples, Posterior
from conceal_jax.audit.floors import Floor, floor_attackers, floor_of, kept_features
from conceal_jax.audit.protocol import attack
from conceal_jax.audit.reading import Reading
from conceal_jax.audit.statistics import Estimate, excess
from conceal_jax.audit.targets import VALUE_SUFFIX, Target, targets_of
from conceal_jax.research.figures import Row, row

Suite = Literal["quick", "full"]
INFORMATION = "information_nats"
TOTAL = "all"
"""In place of an attribute's name, in a sum over the concealed ones."""


class People(NamedTuple):
    """What is known of people besides their codes.

    Attributes:
        labels: by attribute [N].
        groups: int [N], equal for photos that must not be on both sides.
    """

    labels: Mapping[str, np.ndarray]
    groups: np.ndarray


class Codes(NamedTuple):
    """What attackers read of people.

    Attributes:
        codes: float32 [N, L], sampled.
        posterior: what they were drawn from; None where they were rounded afterwards.
    """

    codes: np.ndarray
    posterior: Posterior | None


class Floors(NamedTuple):
    """What the kept labels alone leak of each concealed attribute, as attackers read it of these very people.

    Attributes:
        accuracy: balanced accuracy.
        information: nats, not below 0.
    """

    accuracy: dict[str, Floor]
    information: dict[str, Estimate]


def read_floors(train: People, test: People, attributes: AttributeSet, seed: int) -> Floors:
    """The floors of all members of a sweep: they are audited by the same people."""
    # Brightness and colour of the photo are no labels that anyone declared.
    kept = [spec for spec in attributes.kept if spec not in APPEARANCE]
    learn, judge = (
        Examples(kept_features(kept, part.labels), _leaks(part, attributes), people=part.groups)
        for part in (train, test)
    )
    readings = attack(learn, judge, floor_attackers(seed), seed=seed)
    information = {name: reading.best.metrics[INFORMATION] for name, reading in readings.items()}
    nothing = Estimate(0.0, (0.0, 0.0))
    return Floors(
        {name: floor_of(reading) for name, reading in readings.items()},
        {name: figure if figure.value > 0 else nothing for name, figure in information.items()},
    )


def audit_codes(
    codes: tuple[Codes, Codes],
    people: tuple[People, People],
    attributes: AttributeSet,
    floors: Floors,
    suite: Suite,
    seed: int,
) -> list[Row]:
    """What attackers read of codes, as rows.

    Concealed attributes are read by the suite; with the quick one, kept attributes are read too.

    Args:
        codes, people: those learned from, and those judged.
        attributes: what is concealed and kept.
        floors: `read_floors` of the same people.
        suite: which attackers.
        seed: of the attackers.

    Raises:
        ValueError: an attribute has too few people, or people of one class only.
    """
    white_box = codes[0].posterior is not None
    attackers = quick_suite(seed) if suite == "quick" else full_suite(seed, white_box)
    read = _read(codes, [_leaks(part, attributes) for part in people], people, attackers, seed)
    rows = [each for name, reading in read.items() for each in _leak_rows(name, reading, floors, suite)]
    above = [each.value for each in rows if each.quantity == "nats_above_floor"]
    rows.append(row("nats_above_floor", sum(above), TOTAL, suite))
    if suite == "quick" and attributes.kept:
        survived = _read(codes, [_kept(part, attributes) for part in people], people, attackers, seed)
        rows += [_kept_row(name, reading) for name, reading in survived.items()]
    return rows


def _read(
    codes: tuple[Codes, Codes],
    targets: Sequence[dict[str, Target]],
    people: tuple[People, People],
    attackers: Sequence[Attacker],
    seed: int,
) -> dict[str, Reading]:
    train, test = (
        Examples(part.codes, asked, part.posterior, known.groups)
        for part, asked, known in zip(codes, targets, people, strict=True)
    )
    return attack(train, test, attackers, seed=seed)


def _leaks(people: People, attributes: AttributeSet) -> dict[str, Target]:
    """The classes, or groups, of the concealed attributes."""
    targets = targets_of(AttributeSet(attributes.concealed), people.labels)
    return {name: target for name, target in targets.items() if not name.endswith(VALUE_SUFFIX)}


def _kept(people: People, attributes: AttributeSet) -> dict[str, Target]:
    names = [spec.name for spec in attributes.kept]
    targets = targets_of(attributes, people.labels)
    return {name: target for name, target in targets.items() if name.removesuffix(VALUE_SUFFIX) in names}


def _leak_rows(name: str, reading: Reading, floors: Floors, suite: Suite) -> list[Row]:
    floor, information = floors.accuracy[name], reading.best.metrics[INFORMATION]
    bits = [float(np.log2(max(value, floor.chance) / floor.chance)) for value in _all_of(reading.highest)]
    return [
        row("balanced_accuracy", reading.highest, name, suite),
        row("floor", floor.floor, name, suite),
        row("excess", excess(reading.highest, floor.floor), name, suite),
        row(INFORMATION, information, name, suite),
        row("nats_above_floor", excess(information, floors.information[name]), name, suite),
        # How many more bits a best guess is worth: min-entropy leakage under equal shares (Smith 2009).
        row("measured_bits", Estimate(bits[0], (bits[1], bits[2])), name, suite),
    ]


def _all_of(estimate: Estimate) -> tuple[float, float, float]:
    return estimate.value, *estimate.ci95


def _kept_row(name: str, reading: Reading) -> Row:
    decisive = "balanced_accuracy" if "balanced_accuracy" in reading.best.metrics else "r2"
    return row(f"kept_{decisive}", reading.highest, name, "quick")
