"""The training and the test part of an audited release, with every target that attackers read."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from conceal_jax.attributes import Attribute, AttributeSet
from conceal_jax.audit.attackers.attacker import Attacker
from conceal_jax.audit.controls import PLANTED, SHUFFLED, planted, shuffled
from conceal_jax.audit.examples import Examples
from conceal_jax.audit.protocol import answer, answer_out_of_fold
from conceal_jax.audit.reading import Answers
from conceal_jax.audit.release import Release
from conceal_jax.audit.settings import Settings
from conceal_jax.audit.targets import VALUE_SUFFIX, Target, Targets, joint_targets, targets_of, unreadable
from conceal_jax.audit.vocabulary import Source

JOINT_SEPARATOR = " x "


@dataclasses.dataclass(frozen=True)
class Part:
    """The people that attackers learn from, or those they are tested on.

    Attributes:
        release: what is released of them.
        concealed: targets of the concealed attributes and of their conjunctions.
        others: targets of the kept and the undeclared attributes.
    """

    release: Release
    concealed: Targets
    others: Targets

    def examples(self, source: Source, targets: Targets) -> Examples:
        """These people as inputs of one source, with these targets."""
        posterior = self.release.posterior if source == "codes" else None
        return Examples(self.release.inputs(source), dict(targets), posterior, self.release.people)


Parts = tuple[Part, Part]
"""Training and test part."""


def require_disjoint(train: Release, test: Release) -> None:
    """Raises ValueError where a person is in both parts."""
    if train.people is not None and test.people is not None:
        both = np.intersect1d(train.people, test.people)
        if len(both):
            raise ValueError(
                f"{len(both)} people are in both the training and the test part; split by person, or leave the split "
                "out"
            )


def is_readable(spec: Attribute, train: Release, test: Release) -> bool:
    """Whether both parts have enough people of at least two of the attribute's classes."""
    alone = AttributeSet((dataclasses.replace(spec, optional=False),))
    left, right = targets_of(alone, train.labels), targets_of(alone, test.labels)
    return not unreadable(left, right) and len(joint_targets(left, right, [spec.name])[2]) > 1


def build_parts(
    releases: tuple[Release, Release],
    attributes: AttributeSet,
    declared: tuple[Targets, Targets],
    undeclared: Sequence[Attribute],
) -> tuple[Parts, dict[str, tuple[str, ...]]]:
    """Both parts with all targets.

    Args:
        releases: of the training and the test people.
        attributes: what is concealed and kept.
        declared: targets of these, for both parts.
        undeclared: other attributes that are read.

    Returns:
        Both parts, and the classes of the joint target by its name; empty where there is none.
    """
    names = [spec.name for spec in attributes.concealed]
    concealed = [{name: part[name] for name in part if name.removesuffix(VALUE_SUFFIX) in names} for part in declared]
    others = [{name: part[name] for name in part if name not in concealed[0]} for part in declared]
    joint: dict[str, tuple[str, ...]] = {}
    if len(names) > 1:
        *joined, conjunctions = joint_targets(*declared, names)
        if len(conjunctions) > 1:
            name = JOINT_SEPARATOR.join(names)
            joint[name] = tuple(_conjunction(attributes, classes) for classes in conjunctions)
            concealed = [{**part, name: target} for part, target in zip(concealed, joined, strict=True)]
    if undeclared:
        # Read by groups, like the concealed ones, so that there is a floor to compare with.
        read = AttributeSet(tuple(dataclasses.replace(spec, optional=False) for spec in undeclared))
        others = [{**part, **targets_of(read, side.labels)} for part, side in zip(others, releases, strict=True)]
    train, test = (Part(*each) for each in zip(releases, concealed, others, strict=True))
    return (train, test), joint


def _conjunction(attributes: AttributeSet, classes: Sequence[int]) -> str:
    return JOINT_SEPARATOR.join(
        spec.group_names[index] for spec, index in zip(attributes.concealed, classes, strict=True)
    )


def labelled_examples(
    parts: Parts, source: Source, settings: Settings, *, concealed: bool = True, others: bool = True
) -> tuple[Examples, Examples]:
    """Both parts as inputs of one source; the targets of concealed attributes come with the controls."""
    targets = [{**(part.concealed if concealed else {}), **(part.others if others else {})} for part in parts]
    if concealed:
        first = next(iter(parts[0].concealed))
        for own, control in zip(targets, _controls(parts, source, first, settings.seed), strict=True):
            own |= control
    train, test = (part.examples(source, own) for part, own in zip(parts, targets, strict=True))
    return (test, test) if settings.folds else (train, test)


def _controls(parts: Parts, source: Source, shuffled_name: str, seed: int) -> list[dict[str, Target]]:
    """The planted and the shuffled labels of both parts."""
    plants = planted(parts[0].release.inputs(source), parts[1].release.inputs(source), seed)
    shuffles = [shuffled(part.concealed[shuffled_name], seed + index) for index, part in enumerate(parts)]
    return [{PLANTED: plant, SHUFFLED: shuffle} for plant, shuffle in zip(plants, shuffles, strict=True)]


def answers_of(train: Examples, test: Examples, attackers: Sequence[Attacker], settings: Settings) -> Answers:
    """What the attackers, fitted to `train`, answer about `test`; out of fold where the settings say so."""
    options: dict[str, Any] = {"seed": settings.seed, "progress": settings.progress}
    if settings.folds:
        return answer_out_of_fold(test, attackers, folds=settings.folds, **options)
    return answer(train, test.inputs, attackers, **options)


def both_have(parts: Parts, source: Source) -> bool:
    """Whether this source is released of both parts."""
    return all(getattr(part.release, source) is not None for part in parts)
