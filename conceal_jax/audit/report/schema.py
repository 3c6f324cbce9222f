"""report.json as dataclasses: what an audit found, for everything that shows it (docs/report.md)."""

import dataclasses
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from conceal_jax.audit.certificates.certificate import Certificate
from conceal_jax.audit.reading import Figures
from conceal_jax.audit.report import typed_json
from conceal_jax.audit.statistics import Estimate
from conceal_jax.audit.utility import Identification
from conceal_jax.audit.vocabulary import SOURCES, Concealment, Source
from conceal_jax.runtime.json_files import read_object

SCHEMA_VERSION = 3
DECIMALS = 4


@dataclasses.dataclass(frozen=True)
class People:
    """How many people attackers learned from (`train`), and were judged on (`test`)."""

    train: int
    test: int


@dataclasses.dataclass(frozen=True)
class Distortion:
    """Quality of reconstructions under a person's own labels, mean over the test people."""

    psnr_db: float
    ssim: float


@dataclasses.dataclass(frozen=True)
class Context:
    """Of what, and how, the audit was made.

    Attributes:
        people: how many took part.
        seed: of everything random.
        seconds: that it took.
        folds: where above 0, train and test people are the same, and each is judged out of fold.
        step: of a run: how long it was trained.
        distortion: of a run.
        rate_nats: of a run: mean of KL(q(z given x) to the prior), nats in a code.
    """

    people: People
    seed: int
    seconds: float
    folds: int = 0
    step: int | None = None
    distortion: Distortion | None = None
    rate_nats: float | None = None


@dataclasses.dataclass(frozen=True)
class Reading:
    """How well one attribute is read from one source.

    Attributes:
        metric: by which attackers are compared: "balanced_accuracy", or "r2" of a kept value.
        best_attacker: the one that reads most.
        best: its figure; the interval is for the truly best of all attackers.
        support: labelled test people of each class, or their number where a value is read.
        attackers: each one's own figures by metric, the compared one first.
    """

    metric: str
    best_attacker: str
    best: Estimate
    support: tuple[int, ...]
    attackers: tuple[Figures, ...]

    @property
    def metrics(self) -> Mapping[str, Estimate]:
        """Every figure of the best attacker."""
        return next(each.metrics for each in self.attackers if each.attacker == self.best_attacker)


Readings = dict[Source, Reading]


@dataclasses.dataclass(frozen=True)
class Leakage:
    """What is read of an attribute that is hidden, or might have to be.

    Attributes:
        classes: names of classes or groups, in the order of `support`.
        unit: of a value.
        chance: balanced accuracy of guessing.
        floor: balanced accuracy from the kept labels alone.
        excess: of the most that is read from anything released, over the floor.
        too_small: the classes with too few test people to say anything.
        readings: by source.
    """

    classes: tuple[str, ...]
    unit: str
    chance: float
    floor: Estimate
    excess: Estimate
    too_small: tuple[str, ...]
    readings: Readings

    @property
    def released(self) -> Reading:
        """The most that is read from anything released."""
        return max((each for source, each in self.readings.items() if SOURCES[source].released), key=_value)


@dataclasses.dataclass(frozen=True)
class Concealed(Leakage):
    """What is read of a concealed attribute, and how well it is therefore hidden."""

    verdict: Concealment


@dataclasses.dataclass(frozen=True)
class Joint(Concealed):
    """The same of all concealed attributes at once; `left_out` combinations have too few people."""

    left_out: int


@dataclasses.dataclass(frozen=True)
class Undeclared(Leakage):
    """What is read of a labelled attribute that was not declared; `exposed` if more than the margin above the floor."""

    exposed: bool


@dataclasses.dataclass(frozen=True)
class Kept:
    """What is read of an attribute that shall survive; it has classes, or a unit."""

    classes: tuple[str, ...]
    unit: str
    readings: Readings


@dataclasses.dataclass(frozen=True)
class Control:
    """How a question with a known answer came out: whether as it must, and in a sentence."""

    passed: bool
    words: str
    reading: Reading


@dataclasses.dataclass(frozen=True)
class Controls:
    """A planted leak, which attackers must find, and shuffled labels, which nobody can read."""

    planted: Control
    shuffled: Control


@dataclasses.dataclass(frozen=True)
class Refusal:
    """Why there is no certificate of an attribute."""

    attribute: str
    reason: str


@dataclasses.dataclass(frozen=True)
class Certificates:
    """Bounds on every attacker, and why others are missing."""

    issued: tuple[Certificate, ...] = ()
    refused: tuple[Refusal, ...] = ()


@dataclasses.dataclass(frozen=True)
class Report:
    """Everything that an audit found.

    Attributes:
        schema_version: of this form.
        version: of conceal_jax, which wrote it.
        margin: by how much attackers may beat the floor of what still counts as hidden.
        small: with fewer test people than this a class is too small.
        context: of what, and how, the audit was made.
        concealed: by attribute.
        joint: of all concealed attributes at once, by their names; empty where there is one, or too few people.
        kept: by attribute.
        requested: by concealed attribute, agreement of pictures with the labels requested; empty where none were.
        repeats: by number of codes of one photo ("1", "4", ..., "mean") and concealed attribute.
        identity: by source, how often another photo of the same person is found; empty where persons are not known.
        undeclared: by attribute.
        unwatched: undeclared labelled attributes that too few people have.
        controls: by source.
        certificates: bounds on every attacker.
        warnings: what a reader of the figures must know.
    """

    schema_version: int
    version: str
    margin: float
    small: int
    context: Context
    concealed: dict[str, Concealed]
    joint: dict[str, Joint]
    kept: dict[str, Kept]
    requested: dict[str, Reading]
    repeats: dict[str, dict[str, Reading]]
    identity: dict[Source, Identification]
    undeclared: dict[str, Undeclared]
    unwatched: tuple[str, ...]
    controls: dict[Source, Controls]
    certificates: Certificates
    warnings: tuple[str, ...]

    @property
    def hidden(self) -> Mapping[str, Concealed]:
        """The concealed attributes, one by one and all at once."""
        return {**self.concealed, **self.joint}

    def each_control(self) -> Iterator[tuple[Source, str, Control]]:
        """Source, name and outcome of every control."""
        for source, controls in self.controls.items():
            yield source, "planted", controls.planted
            yield source, "shuffled", controls.shuffled


def sources_of(items: Iterable[Leakage | Kept]) -> list[Source]:
    """What any of these attributes was read from."""
    read = {source for item in items for source in item.readings}
    return [source for source in SOURCES if source in read]


def to_json(report: Report) -> dict[str, Any]:
    """The tree of report.json: strict JSON, figures rounded."""
    # A bound must not fall.
    return {**typed_json.written(report, DECIMALS), "certificates": typed_json.written(report.certificates)}


def from_json(tree: Mapping[str, Any]) -> Report:
    """The report that `to_json` wrote.

    Raises:
        ValueError: another version wrote it, a field is unknown or missing, or a value has another type.
    """
    version = tree.get("schema_version")
    if version != SCHEMA_VERSION:
        raise ValueError(
            f"report.json has form {version}, and this version reads form {SCHEMA_VERSION}: it was written by another "
            "version; evaluate the run again"
        )
    report: Report = typed_json.read(Report, tree, "report")
    return report


def write_report(report: Report, path: Path) -> None:
    """Writes report.json."""
    path.write_text(json.dumps(to_json(report), indent=2, allow_nan=False) + "\n", encoding="utf-8")


def read_report(path: Path) -> Report | None:
    """Reads report.json; None where there is no such file.

    Raises:
        ValueError: it is not JSON, or no report of this version; names the file.
    """
    if not path.is_file():
        return None
    tree = read_object(path)
    try:
        return from_json(tree)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _value(reading: Reading) -> float:
    return reading.best.value
