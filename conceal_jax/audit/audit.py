"""The audit of a release: every attacker on every source, floors, controls, repeated releases and identification."""

import dataclasses
from collections.abc import Sequence

from conceal_jax.attributes import Attribute, AttributeSet
from conceal_jax.attributes.appearance import APPEARANCE
from conceal_jax.audit.attackers.attacker import Attacker
from conceal_jax.audit.attackers.cnn import CNNAttacker
from conceal_jax.audit.attackers.linear import LinearAttacker
from conceal_jax.audit.attackers.mlp import MLPAttacker
from conceal_jax.audit.examples import Examples
from conceal_jax.audit.floors import Floor, floor_attackers, floor_of, kept_features
from conceal_jax.audit.parts import Parts, answers_of, both_have, build_parts, is_readable, require_disjoint
from conceal_jax.audit.reading import Reading, judge
from conceal_jax.audit.release import Release
from conceal_jax.audit.repeats import RELEASES, repeated
from conceal_jax.audit.settings import Settings
from conceal_jax.audit.sources import answer_pictures, order_warnings, read_codes, read_originals, read_pictures
from conceal_jax.audit.targets import VALUE_SUFFIX, require_readable, targets_of
from conceal_jax.audit.utility import Identification, identification
from conceal_jax.audit.vocabulary import SOURCES, Source

_DEFAULTS = Settings()


@dataclasses.dataclass(frozen=True)
class Audit:
    """Everything that an audit found. Readings are by attribute, and empty for a source that is not released.

    Attributes:
        attributes: what is concealed and kept.
        undeclared: the other attributes of the data set that enough people have to be read.
        unwatched: names of those that too few have.
        joint: the classes of the joint attribute by its name, which is among the readings too; empty if there is none.
        floors: of the concealed, the joint and the undeclared attributes.
        originals, codes, pictures: readings of all attributes and of the controls.
        repeats: readings of the concealed attributes from m releases of each photo, by "1", "4", ..., and from its
            "mean" code.
        identity: how often another photo of the same person is found, by "originals", "codes" and "pictures".
        warnings: what a reader of the figures must know.
        reader: the network that learned from originals, if there are any.
    """

    attributes: AttributeSet
    undeclared: tuple[Attribute, ...]
    unwatched: tuple[str, ...]
    joint: dict[str, tuple[str, ...]]
    floors: dict[str, Floor]
    originals: dict[str, Reading]
    codes: dict[str, Reading]
    pictures: dict[str, Reading]
    repeats: dict[str, dict[str, Reading]]
    identity: dict[Source, Identification]
    warnings: tuple[str, ...]
    reader: CNNAttacker | None


def audit(
    train: Release,
    test: Release,
    attributes: AttributeSet,
    undeclared: Sequence[Attribute] = (),
    settings: Settings = _DEFAULTS,
) -> Audit:
    """Fits every attacker to `train` and measures what it reads of `test`.

    Args:
        train, test: releases of different people, with labels of all attributes.
        attributes: what is concealed and what is kept.
        undeclared: other attributes of the data set, to find out whether hiding some exposes others.
        settings: how the audit is made.

    Raises:
        ValueError: a declared attribute has too few people, or people of one class only; a person is in both parts.
    """
    if not settings.folds:
        require_disjoint(train, test)
    declared = targets_of(attributes, train.labels), targets_of(attributes, test.labels)
    require_readable(*declared)
    watched = [spec for spec in undeclared if is_readable(spec, train, test)]
    parts, joint = build_parts((train, test), attributes, declared, watched)
    originals, reader = read_originals(parts, settings)
    of_pictures = answer_pictures(parts, reader, settings)
    codes = read_codes(parts, of_pictures, settings)
    return Audit(
        attributes=attributes,
        undeclared=tuple(watched),
        unwatched=tuple(spec.name for spec in undeclared if spec not in watched),
        joint=joint,
        floors=_floors(parts, attributes, watched, settings),
        originals=originals,
        codes=codes,
        pictures=read_pictures(parts, of_pictures, settings),
        repeats={} if settings.quick else _read_repeats(parts, attributes, settings),
        identity={} if settings.folds else _identify(parts, settings.seed),
        warnings=order_warnings(codes, [spec.name for spec in attributes.concealed]),
        reader=reader,
    )


def _floors(
    parts: Parts, attributes: AttributeSet, watched: Sequence[Attribute], settings: Settings
) -> dict[str, Floor]:
    """Floors of the concealed, the joint and the undeclared attributes.

    The photos' own brightness and colour are no declared labels: they do not raise the floor.
    """
    kept = [spec for spec in attributes.kept if spec not in APPEARANCE]
    names = [*parts[0].concealed, *(spec.name for spec in watched)]
    train, test = (
        Examples(
            kept_features(kept, part.release.labels),
            {name: {**part.concealed, **part.others}[name] for name in names if not name.endswith(VALUE_SUFFIX)},
            people=part.release.people,
        )
        for part in parts
    )
    readings = judge(answers_of(train, test, floor_attackers(settings.seed), settings), test.targets, settings.folds)
    return {name: floor_of(reading) for name, reading in readings.items()}


def _read_repeats(parts: Parts, attributes: AttributeSet, settings: Settings) -> dict[str, dict[str, Reading]]:
    """Readings of the concealed attributes from several releases of a photo, by their number."""
    if any(part.release.posterior is None for part in parts):
        return {}
    names = [spec.name for spec in attributes.concealed]
    train, test = (part.examples("codes", {name: part.concealed[name] for name in names}) for part in parts)
    readings = {}
    for releases in RELEASES:
        settings.progress(f"repeated releases: {releases}")
        learn, held_out = (repeated(each, releases, (settings.seed, part)) for part, each in enumerate((train, test)))
        attackers: list[Attacker] = [LinearAttacker(), MLPAttacker(128, settings.seed)]
        answers = answers_of(held_out if settings.folds else learn, held_out, attackers, settings)
        readings[str(releases)] = judge(answers, held_out.targets, settings.folds)
    return readings


def _identify(parts: Parts, seed: int) -> dict[Source, Identification]:
    train, test = (part.release for part in parts)
    found: dict[Source, Identification] = {}
    if train.people is None or test.people is None or not train.persons_known:
        return found
    for source in SOURCES:
        if both_have(parts, source):
            result = identification(train.inputs(source), train.people, test.inputs(source), test.people, seed=seed)
            found |= {source: result} if result else {}
    return found
