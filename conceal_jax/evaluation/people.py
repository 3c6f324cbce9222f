"""The people of a run: whom attackers learn from, and whom they are judged on."""

import dataclasses
import logging
from pathlib import Path

import numpy as np

from conceal_jax.attributes import Attribute
from conceal_jax.config import Config
from conceal_jax.data.collection import Collection
from conceal_jax.data.resident import Resident, load_resident
from conceal_jax.data.sources.open import open_with_undeclared
from conceal_jax.runs import learned_from
from conceal_jax.runs.trained import Run

logger = logging.getLogger(__name__)

TRAIN, TEST = range(2)
"""Streams of noise."""


@dataclasses.dataclass(frozen=True)
class Part:
    """Some people.

    Attributes:
        collection: with their labels.
        decoded: their pictures, as far as they can be read.
        noise: number of the stream of noise of their codes.
    """

    collection: Collection
    decoded: Resident
    noise: int


@dataclasses.dataclass(frozen=True)
class People:
    """The people that attackers learn from and are judged on, and the labelled attributes that were not declared."""

    train: Part
    test: Part
    undeclared: tuple[Attribute, ...]


def open_people(run: Run, workdir: Path) -> People:
    """Up to `evaluation.attack_examples` of the training people at random, and the validation people.

    Raises:
        ValueError: the data cannot be read, or the run has learned from a validation person.
    """
    collection, undeclared = open_with_undeclared(run.config.data, run.attributes, run.config.seed)
    validation = collection.subset("validation")
    learned_from.require_new(workdir, validation)
    train = _drawn(collection.subset("train"), run.config.evaluation.attack_examples, run.config.seed)
    return People(readable(train, run.config, TRAIN), readable(validation, run.config, TEST), undeclared)


def open_validation(run: Run, workdir: Path) -> Part:
    """The validation people alone.

    Raises:
        ValueError: as `open_people`.
    """
    collection, _ = open_with_undeclared(run.config.data, run.attributes, run.config.seed)
    validation = collection.subset("validation")
    learned_from.require_new(workdir, validation)
    return readable(validation, run.config, TEST)


def draw_training(run: Run, count: int) -> Part:
    """Up to `count` of the training people at random.

    Raises:
        ValueError: the data cannot be read.
    """
    collection, _ = open_with_undeclared(run.config.data, run.attributes, run.config.seed)
    return readable(_drawn(collection.subset("train"), count, run.config.seed), run.config, TRAIN)


def readable(people: Collection, config: Config, noise: int) -> Part:
    """People with their pictures; a warning names pictures that cannot be read.

    Raises:
        BadDataError: too many cannot.
    """
    decoded = load_resident(people, config.data.image_size, config.data.crop)
    people.report.require_mostly_good(config.data.max_bad_fraction)
    absent = np.flatnonzero(~decoded.valid)
    if len(absent) == len(people):
        raise ValueError(f"none of {len(people)} pictures in {people.report.origin} can be read; restore them")
    if len(absent):
        names = ", ".join(people.names[absent[:3]])
        logger.warning("%d of %d pictures cannot be read and are left out: %s ...", len(absent), len(people), names)
    return Part(people, decoded, noise)


def _drawn(people: Collection, count: int, seed: int) -> Collection:
    chosen = np.random.default_rng(seed).permutation(len(people))[:count]
    return people.take(np.sort(chosen))
