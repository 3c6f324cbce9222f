"""What a certificate says, and what has to be known of a release and of an audit set before one is issued."""

import dataclasses
import math
from typing import Any, Literal

Measure = Literal["accuracy", "balanced accuracy"]


class CertificateRefusedError(ValueError):
    """Nothing can be certified; the message gives the reason and what would have to change."""


@dataclasses.dataclass(frozen=True)
class ReleaseDescription:
    """What a recipient gets of a photo, as far as certificates depend on it.

    Attributes:
        kind: "finite", a code of finitely many values; "gaussian", mean plus Gaussian noise; "mean", the mean alone.
        neutral_depends_on_photo: concealed pictures are decoded under labels that were computed from the photo.
        repeats_identical: a photo encoded again gives the same code, as the noise is keyed by a hash of the photo and
            a secret, or as there is none.
        releases_per_photo: how many codes of one photo are ever given out where repeats differ; None for no limit.
        clip_radius: of a Gaussian release, the Euclidean norm to which the mean is clipped before the noise is added;
            None where it is not clipped.
        sigma: of a Gaussian release, the standard deviation of the noise, one number for all photos and coordinates;
            None where it depends on the photo, even if only through a floor.
    """

    kind: Literal["finite", "gaussian", "mean"]
    neutral_depends_on_photo: bool
    repeats_identical: bool
    releases_per_photo: int | None = None
    clip_radius: float | None = None
    sigma: float | None = None


@dataclasses.dataclass(frozen=True)
class AuditSet:
    """The people that a certificate is measured on.

    Attributes:
        population: that they were drawn from at random, in words.
        used_in_training: some of them helped to train the encoder or its quantiser.
        used_in_selection: some of them helped to choose among encoders, settings, checkpoints or seeds.
        one_photo_per_person: no person is in it twice.
        jointly: how many certificates are issued from these people. Each gets an equal part of 1 - confidence
            (Bonferroni), so that all of them hold together.
    """

    population: str
    used_in_training: bool
    used_in_selection: bool
    one_photo_per_person: bool
    jointly: int = 1

    def __post_init__(self) -> None:
        if self.jointly < 1:
            raise ValueError(f"got jointly={self.jointly}; count every certificate, so at least 1")


@dataclasses.dataclass(frozen=True)
class Certificate:
    """A bound on every attacker, and what it covers.

    Attributes:
        attribute: what is concealed.
        measure, bound: the best attacker's accuracy, or balanced accuracy, is at most `bound`.
        chance: what guessing without the release attains.
        method: "noise mechanism" or "finite code".
        inputs: what the attacker has.
        population: that it holds for.
        confidence: probability that the bound holds, over the draw of the audit set; 1 where none was needed.
        jointly: how many certificates hold together with this confidence.
        releases: how many different codes of one photo the attacker may have.
        people: size of the audit set; 0 where none was needed.
    """

    attribute: str
    measure: Measure
    bound: float
    chance: float
    method: Literal["noise mechanism", "finite code"]
    inputs: str
    population: str
    confidence: float
    jointly: int
    releases: int
    people: int

    def plain_words(self) -> str:
        """The certificate in words for a privacy officer."""
        return " ".join([self._promise(), self._trust(), *self._limits()])

    def to_json(self) -> dict[str, Any]:
        """Every field and the plain words, in types that `json` writes."""
        return dataclasses.asdict(self) | {"plain_words": self.plain_words()}

    def _promise(self) -> str:
        share = "of the people" if self.measure == "accuracy" else "of the people, averaged over the groups,"
        return (
            f"No attacker on {self.inputs}, by any method known or unknown, predicts {self.attribute} correctly for "
            f"more than {_rounded_up(self.bound):.1f} % {share} where guessing attains {100 * self.chance:.1f} %."
        )

    def _trust(self) -> str:
        if self.method == "noise mechanism":
            return f"This follows from the noise alone, without any test, and holds for {self.population}."
        together = f", together with {self.jointly - 1} other certificates," if self.jointly > 1 else ""
        return (
            f"This was measured on {self.people:,} people and holds for {self.population}{together} with a "
            f"confidence of {100 * self.confidence:g} %."
        )

    def _limits(self) -> list[str]:
        repeats = "one code" if self.releases == 1 else f"{self.releases} different codes"
        return [
            f"It covers {repeats} of a photo; different photos of one person count as different codes.",
            "It does not cover an attacker who also has the photo or knows other facts of the person, such as a name.",
        ]


def _rounded_up(bound: float) -> float:
    """Per cent with one decimal, rounded up: the promise is never below the bound."""
    return min(math.ceil(1000 * bound - 1e-9) / 10, 100.0)
