"""The whole audit of a release: every attacker, floors, controls, repeats, identity, and what nobody declared."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from conceal_jax.attributes import Attribute, AttributeSet
from conceal_jax.attributes.appearance import APPEARANCE
from conceal_jax.audit.attackers.cnn import PictureReader, StaleReader
from conceal_jax.audit.attackers.linear import LinearAttacker
from conceal_jax.audit.attackers.mlp import PerceptronAttacker
from conceal_jax.audit.attackers.suite import Attacker, full_suite, quick_suite
from conceal_jax.audit.controls import PLANTED, SHUFFLED, planted, shuffled
from conceal_jax.audit.examples import Examples
from conceal_jax.audit.floors import Floor, floor_attackers, floor_of, kept_features
from conceal_jax.audit.protocol import Progress, answer, answer_out_of_fold
from conceal_jax.audit.reading import Answers, Reading, judge
from conceal_jax.audit.release import Release, Source
from conceal_jax.audit.repeats import RELEASES, repeated
from conceal_jax.audit.targets import VALUE_SUFFIX, Targets, joint_targets, require_readable, targets_of, unreadable
from conceal_jax.audit.utility import Identification, identification

SOURCES: tuple[Source, ...] = ("originals", "codes", "pictures")
JOINT_SEPARATOR = " x "

THROUGH_DECODER = "decoder+"
"""Before the name of an attacker on pictures, where it reads the codes that the pictures were decoded from."""
NETWORKS = 2
"""Fresh networks that read concealed pictures."""
ORDER_MARGIN = 0.01
"""By how much pictures may be read better than their codes before a reader is warned."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """How an audit is made.

    Attributes:
        seed: of everything random.
        quick: only the quick suite reads codes, and nobody sees repeated releases.
        cnn_epochs: passes over the pictures.
        flip: mirror training pictures at random; off if a mirrored picture would have another label.
        folds: where above 0, train and test are the same people, and attackers judged on a fold learn from the others.
        progress: is told what goes on.
    """

    seed: int = 0
    quick: bool = False
    folds: int = 0
    cnn_epochs: int = 8
    flip: bool = True
    progress: Progress = lambda line: None


@dataclasses.dataclass(frozen=True)
class Audit:
    """Everything that was found. Readings are by attribute; they are empty for what is not released.

    Attributes:
        attributes: what is concealed and kept.
        undeclared: the other attributes of the data set that have people enough to be read.
        unwatched: names of those that have not.
        joint: the classes of the joint attribute by its name, which is among the readings too; empty if there is none.
        floors: of the concealed, the joint and the undeclared attributes.
        originals, codes, pictures: of all attributes, and of the controls.
        repeats: of the concealed attributes from m releases of each photo, by "1", "4", ..., and from its "mean" code.
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
    identity: dict[str, Identification]
    warnings: tuple[str, ...]
    reader: PictureReader | None


@dataclasses.dataclass(frozen=True)
class _Side:
    """The people that attackers learn from, or those they are judged on.

    Attributes:
        release: what there is of them.
        leaks: questions about concealed attributes and their conjunctions.
        others: questions about kept and undeclared attributes.
    """

    release: Release
    leaks: Targets
    others: Targets

    def examples(self, source: Source, targets: Targets) -> Examples:
        """These people as the readers of one kind of input see them."""
        posterior = self.release.posterior if source == "codes" else None
        return Examples(self.release.inputs(source), dict(targets), posterior, self.release.people)


Sides = tuple[_Side, _Side]


def audit(
    train: Release,
    test: Release,
    attributes: AttributeSet,
    undeclared: Sequence[Attribute] = (),
    settings: Settings = Settings(),
) -> Audit:
    """Lets every attacker learn from `train`, and judges what it reads of `test`.

    Args:
        train, test: hold labels of all attributes; nobody is in both.
        attributes: what is concealed and what is kept.
        undeclared: other attributes of the data set, to see whether hiding some exposed others.
        settings: how the audit is made.

    Raises:
        ValueError: a declared attribute has too few people, or people of one class only; someone is on both sides.
    """
    if not settings.folds:
        _require_strangers(train, test)
    declared = targets_of(attributes, train.labels), targets_of(attributes, test.labels)
    require_readable(*declared)
    watched = [spec for spec in undeclared if _readable(spec, train, test)]
    sides, joint = _sides(train, test, attributes, declared, watched)
    originals, reader = _read_originals(sides, settings)
    seen = _answer_pictures(sides, reader, settings)
    codes = _read_codes(sides, seen, settings)
    return Audit(
        attributes=attributes,
        undeclared=tuple(watched),
        unwatched=tuple(spec.name for spec in undeclared if spec not in watched),
        joint=joint,
        floors=_floors(sides, attributes, watched, settings),
        originals=originals,
        codes=codes,
        pictures=judge(seen, _questions(sides, "pictures", settings)[1].targets, settings.folds) if seen else {},
        repeats={} if settings.quick else _read_repeats(sides, attributes, settings),
        identity={} if settings.folds else _identify(sides, settings.seed),
        warnings=_warnings(codes, [spec.name for spec in attributes.concealed]),
        reader=reader,
    )


def _require_strangers(train: Release, test: Release) -> None:
    if train.people is not None and test.people is not None:
        both = np.intersect1d(train.people, test.people)
        if len(both):
            raise ValueError(
                f"{len(both)} people are both among those learned from and among those judged; split by person, "
                "or leave the split out"
            )


def _readable(spec: Attribute, train: Release, test: Release) -> bool:
    """Whether two of its classes have people enough, on both sides."""
    asked = AttributeSet((dataclasses.replace(spec, optional=False),))
    left, right = targets_of(asked, train.labels), targets_of(asked, test.labels)
    return not unreadable(left, right) and len(joint_targets(left, right, [spec.name])[2]) > 1


def _sides(
    train: Release,
    test: Release,
    attributes: AttributeSet,
    declared: tuple[Targets, Targets],
    watched: Sequence[Attribute],
) -> tuple[Sides, dict[str, tuple[str, ...]]]:
    """Both sides with all questions, and the classes of the joint question by its name."""
    names = [spec.name for spec in attributes.concealed]
    leaks = [{name: part[name] for name in part if name.removesuffix(VALUE_SUFFIX) in names} for part in declared]
    others = [{name: part[name] for name in part if name not in leaks[0]} for part in declared]
    joint: dict[str, tuple[str, ...]] = {}
    if len(names) > 1:
        *joined, conjunctions = joint_targets(*declared, names)
        if len(conjunctions) > 1:
            name = JOINT_SEPARATOR.join(names)
            joint[name] = tuple(_conjunction(attributes, classes) for classes in conjunctions)
            leaks = [{**part, name: target} for part, target in zip(leaks, joined, strict=True)]
    if watched:
        # Asked like concealed ones, by groups: so there is a floor to compare with.
        asked = AttributeSet(tuple(dataclasses.replace(spec, optional=False) for spec in watched))
        others = [{**part, **targets_of(asked, side.labels)} for part, side in zip(others, (train, test), strict=True)]
    left, right = (_Side(*each) for each in zip((train, test), leaks, others, strict=True))
    return (left, right), joint


def _conjunction(attributes: AttributeSet, classes: Sequence[int]) -> str:
    return JOINT_SEPARATOR.join(
        spec.group_names[index] for spec, index in zip(attributes.concealed, classes, strict=True)
    )


def _questions(
    sides: Sides, source: Source, settings: Settings, *, leaks: bool = True, others: bool = True
) -> tuple[Examples, Examples]:
    """Both sides as the readers of one kind of input see them; with the controls, where leaks are asked about."""
    targets = [{**(side.leaks if leaks else {}), **(side.others if others else {})} for side in sides]
    if leaks:
        first = next(iter(sides[0].leaks))
        plants = planted(sides[0].release.inputs(source), sides[1].release.inputs(source), settings.seed)
        shuffles = [shuffled(part[first], settings.seed + index) for index, part in enumerate(targets)]
        for part, plant, shuffle in zip(targets, plants, shuffles, strict=True):
            part |= {PLANTED: plant, SHUFFLED: shuffle}
    train, test = (side.examples(source, part) for side, part in zip(sides, targets, strict=True))
    return (test, test) if settings.folds else (train, test)


def _ask(train: Examples, test: Examples, attackers: Sequence[Attacker], settings: Settings) -> Answers:
    options: dict[str, Any] = {"seed": settings.seed, "progress": settings.progress}
    if settings.folds:
        return answer_out_of_fold(test, attackers, folds=settings.folds, **options)
    return answer(train, test.inputs, attackers, **options)


def _read_originals(sides: Sides, settings: Settings) -> tuple[dict[str, Reading], PictureReader | None]:
    """What a network reads of the photos themselves, and the network."""
    if not _have(sides, "originals"):
        return {}, None
    train, test = _questions(sides, "originals", settings)
    reader = _network(settings, 0)
    settings.progress("originals")
    return judge(_ask(train, test, [reader], settings), test.targets, settings.folds), reader


def _answer_pictures(sides: Sides, reader: PictureReader | None, settings: Settings) -> Answers:
    """Answers about the released pictures: of fresh networks, and of the one that learned from originals, as it is."""
    if not _have(sides, "pictures"):
        return {}
    train, test = _questions(sides, "pictures", settings)
    settings.progress("pictures")
    fresh = _ask(train, test, [_network(settings, number) for number in range(1, NETWORKS + 1)], settings)
    # Out of fold, the reader of originals has met everyone.
    stale = _ask(train, test, [StaleReader(reader)], settings) if reader and not settings.folds else {}
    return {**fresh, **stale}


def _network(settings: Settings, number: int) -> PictureReader:
    return PictureReader(settings.cnn_epochs, settings.flip, settings.seed + number, settings.progress)


def _read_codes(sides: Sides, seen: Answers, settings: Settings) -> dict[str, Reading]:
    """Readings of the codes; leaks by every attacker, the rest by the quick ones.

    A picture that anyone can decode from its code tells nothing that the code does not: the attackers on pictures are
    attackers on codes.
    """
    if not _have(sides, "codes"):
        return {}
    white_box = all(side.release.posterior is not None for side in sides)
    leaks = _questions(sides, "codes", settings, others=False)
    others = _questions(sides, "codes", settings, leaks=False)
    quick = quick_suite(settings.seed)
    rounds = [(leaks, quick if settings.quick else full_suite(settings.seed, white_box))]
    rounds += [(others, quick)] if others[0].targets else []
    readings: dict[str, Reading] = {}
    for (train, test), attackers in rounds:
        settings.progress(f"codes: {', '.join(test.targets)}")
        answers = _ask(train, test, attackers, settings)
        readings |= judge({**answers, **_through_decoder(seen, test.targets)}, test.targets, settings.folds)
    return readings


def _through_decoder(seen: Answers, targets: Targets) -> Answers:
    """Answers about pictures, as answers about the codes they were decoded from; controls are planted in each anew."""
    return {
        THROUGH_DECODER + attacker: {
            name: each for name, each in answers.items() if name in targets and name not in (PLANTED, SHUFFLED)
        }
        for attacker, answers in seen.items()
    }


def _warnings(codes: Mapping[str, Reading], names: Sequence[str]) -> tuple[str, ...]:
    """Concealed attributes that the pictures told better than the attackers on codes could read them."""
    warnings = []
    for name in names:
        figures = codes[name].attackers if name in codes else ()
        through = [each.decisive.value for each in figures if each.attacker.startswith(THROUGH_DECODER)]
        direct = [each.decisive.value for each in figures if not each.attacker.startswith(THROUGH_DECODER)]
        if through and max(through) > max(direct) + ORDER_MARGIN:
            warnings.append(
                f"{name}: attackers on the codes alone read {max(direct):.3f}, those on the pictures decoded from them "
                f"{max(through):.3f}. A code cannot tell less than its picture, so the first were too weak; the "
                "higher figure holds for both."
            )
    return tuple(warnings)


def _read_repeats(sides: Sides, attributes: AttributeSet, settings: Settings) -> dict[str, dict[str, Reading]]:
    """What is read of the concealed attributes from several releases of a photo, by how many."""
    if any(side.release.posterior is None for side in sides):
        return {}
    names = [spec.name for spec in attributes.concealed]
    train, test = (side.examples("codes", {name: side.leaks[name] for name in names}) for side in sides)
    readings = {}
    for releases in RELEASES:
        settings.progress(f"repeated releases: {releases}")
        seen, unseen = (repeated(part, releases, (settings.seed, side)) for side, part in enumerate((train, test)))
        attackers: list[Attacker] = [LinearAttacker(), PerceptronAttacker(128, settings.seed)]
        answers = _ask(unseen if settings.folds else seen, unseen, attackers, settings)
        readings[str(releases)] = judge(answers, unseen.targets, settings.folds)
    return readings


def _floors(
    sides: Sides, attributes: AttributeSet, watched: Sequence[Attribute], settings: Settings
) -> dict[str, Floor]:
    """Of the concealed, the joint and the undeclared attributes.

    The photos' own brightness and colour are no labels that anyone declared: they do not raise the floor.
    """
    kept = [spec for spec in attributes.kept if spec not in APPEARANCE]
    asked = [*sides[0].leaks, *(spec.name for spec in watched)]
    train, test = (
        Examples(
            kept_features(kept, side.release.labels),
            {name: {**side.leaks, **side.others}[name] for name in asked if not name.endswith(VALUE_SUFFIX)},
            people=side.release.people,
        )
        for side in sides
    )
    readings = judge(_ask(train, test, floor_attackers(settings.seed), settings), test.targets, settings.folds)
    return {name: floor_of(reading) for name, reading in readings.items()}


def _identify(sides: Sides, seed: int) -> dict[str, Identification]:
    train, test = (side.release for side in sides)
    found: dict[str, Identification] = {}
    if train.people is None or test.people is None or not train.persons_known:
        return found
    for source in SOURCES:
        if _have(sides, source):
            result = identification(train.inputs(source), train.people, test.inputs(source), test.people, seed=seed)
            found |= {source: result} if result else {}
    return found


def _have(sides: Sides, source: Source) -> bool:
    return all(getattr(side.release, source) is not None for side in sides)
