"""The report of an audit: verdicts, excesses and controls, judged from what was read."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from conceal_jax.attributes import Attribute, Categorical
from conceal_jax.audit import reading as audited
from conceal_jax.audit.audit import Audit
from conceal_jax.audit.controls import PLANTED, SHUFFLED, Verdict, judge_planted, judge_shuffled
from conceal_jax.audit.report.schema import (
    SCHEMA_VERSION,
    Certificates,
    Concealed,
    Context,
    Control,
    Controls,
    Joint,
    Kept,
    Reading,
    Readings,
    Report,
    Undeclared,
)
from conceal_jax.audit.statistics import Estimate, excess
from conceal_jax.audit.vocabulary import SOURCES, Concealment, Source
from conceal_jax.version import __version__

SMALL = 10
"""Classes with fewer test people than this are reported as too small to say anything of."""
MARGIN = 0.03
"""How far above its floor an attribute must be read, at 95 % confidence, to be called readable."""


def assemble(
    audit: Audit,
    context: Context,
    requested: Mapping[str, audited.Reading],
    certificates: Certificates,
) -> Report:
    """The report of an audit.

    Args:
        audit: what was found.
        context: of what, and how, it was made.
        requested: agreement of pictures with the labels requested, of the concealed attributes; empty where none were.
        certificates: bounds on every attacker, and why others are missing.
    """
    return Report(
        schema_version=SCHEMA_VERSION,
        version=__version__,
        margin=MARGIN,
        small=SMALL,
        context=context,
        concealed={spec.name: _concealed(audit, spec) for spec in audit.attributes.concealed},
        joint={name: _joint(audit, name, classes) for name, classes in audit.joint.items()},
        kept={spec.name: _kept(audit, spec) for spec in audit.attributes.kept},
        requested=_each(requested),
        repeats={releases: _each(readings) for releases, readings in audit.repeats.items()},
        identity=audit.identity,
        undeclared={spec.name: _undeclared(audit, spec) for spec in audit.undeclared},
        unwatched=audit.unwatched,
        controls={source: _controls(readings) for source, readings in _with_controls(audit).items()},
        certificates=certificates,
        warnings=audit.warnings,
    )


def _concealed(audit: Audit, spec: Attribute) -> Concealed:
    return Concealed(**_leakage(audit, spec.name, spec.group_names, _unit(spec)), verdict=_verdict(audit, spec.name))


def _joint(audit: Audit, name: str, classes: Sequence[str]) -> Joint:
    combinations = math.prod(len(spec.group_names) for spec in audit.attributes.concealed)
    verdict, left_out = _verdict(audit, name), combinations - len(classes)
    return Joint(**_leakage(audit, name, classes), verdict=verdict, left_out=left_out)


def _undeclared(audit: Audit, spec: Attribute) -> Undeclared:
    leakage = _leakage(audit, spec.name, spec.group_names, _unit(spec))
    return Undeclared(**leakage, exposed=leakage["excess"].ci95[0] > MARGIN)


def _kept(audit: Audit, spec: Attribute) -> Kept:
    classes = spec.classes if isinstance(spec, Categorical) else ()
    return Kept(classes, _unit(spec), _readings(audit, spec.name))


def _leakage(audit: Audit, name: str, classes: Sequence[str], unit: str = "") -> dict[str, Any]:
    """The fields that the concealed, the joint and the undeclared attributes have in common."""
    floor, readings = audit.floors[name], _readings(audit, name)
    support = next(iter(readings.values())).support
    return {
        "classes": tuple(classes),
        "unit": unit,
        "chance": floor.chance,
        "floor": floor.floor,
        "excess": excess(_released(audit, name), floor.floor),
        "too_small": tuple(each for each, count in zip(classes, support, strict=True) if count < SMALL),
        "readings": readings,
    }


def _verdict(audit: Audit, name: str) -> Concealment:
    released, originals = _released(audit, name), audit.originals.get(name)
    low, high = excess(released, audit.floors[name].floor).ci95
    if high <= MARGIN:
        return "hidden" if _attackers_work(audit) else "undecided"
    if low <= MARGIN:
        return "undecided"
    return "weakened" if originals and released.ci95[1] < originals.highest.ci95[0] else "readable"


def _released(audit: Audit, name: str) -> Estimate:
    """The most that is read of one attribute from anything released."""
    found = _sources(audit)
    highest = [found[source][name].highest for source in found if SOURCES[source].released and name in found[source]]
    return max(highest, key=lambda estimate: estimate.value)


def _attackers_work(audit: Audit) -> bool:
    """Whether they found what was planted; who finds nothing elsewhere has else shown nothing."""
    controls = _with_controls(audit)
    return all(_judge(controls[source])[0].passed for source in controls if SOURCES[source].released)


def _sources(audit: Audit) -> dict[Source, Mapping[str, audited.Reading]]:
    return {"originals": audit.originals, "codes": audit.codes, "pictures": audit.pictures}


def _with_controls(audit: Audit) -> dict[Source, Mapping[str, audited.Reading]]:
    return {source: readings for source, readings in _sources(audit).items() if PLANTED in readings}


def _judge(readings: Mapping[str, audited.Reading]) -> tuple[Verdict, Verdict]:
    """Of the planted and of the shuffled labels."""
    plant, shuffle = readings[PLANTED], readings[SHUFFLED]
    chance = 1 / np.count_nonzero(shuffle.support)
    return judge_planted(plant.highest, plant.support), judge_shuffled(shuffle.highest, chance)


def _controls(readings: Mapping[str, audited.Reading]) -> Controls:
    outcomes = (Control(each.passed, each.words, _reading(readings[each.name])) for each in _judge(readings))
    return Controls(*outcomes)


def _unit(spec: Attribute) -> str:
    return "" if isinstance(spec, Categorical) else spec.unit


def _readings(audit: Audit, name: str) -> Readings:
    """Of one attribute, by source."""
    return {source: _reading(each[name]) for source, each in _sources(audit).items() if name in each}


def _each(readings: Mapping[str, audited.Reading]) -> dict[str, Reading]:
    return {name: _reading(reading) for name, reading in readings.items()}


def _reading(reading: audited.Reading) -> Reading:
    best = reading.best
    return Reading(next(iter(best.metrics)), best.attacker, reading.highest, reading.support, reading.attackers)
