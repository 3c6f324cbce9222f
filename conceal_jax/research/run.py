"""Runs a sweep: trains its members group by group, audits them, certifies what can be, and draws the curves."""

import logging
import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from conceal_jax.attributes import AttributeSet
from conceal_jax.attributes.appearance import APPEARANCE, appearance
from conceal_jax.audit.certificates.issuing import certificates
from conceal_jax.audit.release import Release
from conceal_jax.config import Config
from conceal_jax.data.resident import Resident, load_resident
from conceal_jax.data.sources.open import open_collection
from conceal_jax.data.synthetic.factors import CONCEALED, floor_accuracy
from conceal_jax.evaluation.certificates import described, held_out
from conceal_jax.models.bottleneck import create_bottleneck
from conceal_jax.research.audits import Floors, People, Suite, audit_codes, read_floors
from conceal_jax.research.curves import front_of, gathered, write_curves
from conceal_jax.research.figures import Result, Row, row
from conceal_jax.research.members import Encoded
from conceal_jax.research.sweep import Directory, Sweep, groups
from conceal_jax.research.training import encode_all, train_members
from conceal_jax.runs import run_directory

logger = logging.getLogger(__name__)

ACTIVE_VARIANCE = 0.01
"""A number of the code is active if its mean varies by more between photos (Burda et al. 2016)."""


class Pictures(NamedTuple):
    """What a sweep is trained and audited on.

    Attributes:
        train, test: readable and unreadable pictures.
        people: what is known of the readable ones: of those learned from, and of those judged.
        attributes: concealed and kept, brightness and colour among these.
    """

    train: Resident
    test: Resident
    people: tuple[People, People]
    attributes: AttributeSet


def run_sweep(sweep: Sweep, out: Path) -> list[Result]:
    """Trains and audits what is not there yet, and writes `curves.csv`, `curves.html` and their pictures to `out`.

    A member that fails is recorded, and the others go on.

    Raises:
        ValueError: the sweep is not valid, its data cannot be used, or `out` holds another sweep or is in use.
    """
    members, directory = sweep.members(), Directory(out)
    directory.open(members)
    with run_directory.held(out):
        return _completed(sweep, members, directory)


def _completed(sweep: Sweep, members: Mapping[str, Config], directory: Directory) -> list[Result]:
    pictures = _pictures(sweep.base, directory.path)
    for number, names in enumerate(groups(members)):
        missing = {name: members[name] for name in names if not directory.is_trained(name)}
        if missing:
            logger.info("group %d: %d members", number + 1, len(missing))
            _train_group(missing, pictures, directory)
    floors = read_floors(*pictures.people, pictures.attributes, sweep.base.seed)
    audit = partial(_audit, members=members, pictures=pictures, floors=floors, directory=directory)
    _side_by_side(partial(audit, suite="quick"), _succeeded(members, directory))
    results = _results(sweep, members, directory)
    front = front_of(gathered(results, members))
    audited = [each for each in results if each.seed in sweep.seeds[: sweep.full_seeds] and each.setting in front]
    _side_by_side(partial(audit, suite="full"), [each.name for each in audited if not each.failure])
    results = _results(sweep, members, directory)
    write_curves(directory.path, results, members, known_floors(sweep.base))
    return results


def known_floors(config: Config) -> dict[str, float]:
    """By concealed attribute, the balanced accuracy that kept factors alone allow, where it is known exactly."""
    if config.data.source != "synthetic":
        return {}
    correlation = {(each.kept, each.concealed): each.share for each in config.data.correlations}
    names = [spec.name for spec in config.attributes.concealed if spec.name in CONCEALED]
    return {name: floor_accuracy(name, correlation) for name in names}


def _pictures(config: Config, out: Path) -> Pictures:
    collection = open_collection(config.data, config.attributes, config.seed)
    splits = [collection.subset(name) for name in ("train", "validation")]
    train, test = (load_resident(split, config.data.image_size, config.data.crop) for split in splits)
    collection.report.write(out / run_directory.DATA_REPORT)
    collection.report.require_mostly_good(config.data.max_bad_fraction)
    attributes = config.attributes.available(train.labels).with_neutral(train.labels)
    attributes = AttributeSet(attributes.concealed, (*attributes.kept, *APPEARANCE))
    known, judged = (
        People(
            {name: values[part.valid] for name, values in part.labels.items()} | appearance(part.images[part.valid]),
            split.group[part.valid],
        )
        for split, part in zip(splits, (train, test), strict=True)
    )
    return Pictures(train, test, (known, judged), attributes)


def _train_group(members: Mapping[str, Config], pictures: Pictures, directory: Directory) -> None:
    """Trains members of one shape, and keeps what they make of the pictures."""
    configs = list(members.values())
    try:
        trained = train_members(configs, pictures.train, pictures.attributes)
        encoded = [
            encode_all(trained, part, configs[0], pictures.attributes, index)
            for index, part in enumerate((pictures.train, pictures.test))
        ]
    # Whatever one group runs into (memory, the compiler, a bottleneck's own code), the others may do without it.
    except Exception as error:
        logger.exception("a group of %d members failed", len(members))
        for name in members:
            directory.fail(name, f"{type(error).__name__}: {error}".splitlines()[0])
        return
    params = jax.device_get(trained.params)
    for index, name in enumerate(members):
        if index in trained.failures:
            logger.warning("%s failed: %s", name, trained.failures[index])
            directory.fail(name, trained.failures[index])
            continue
        own_params, train, test = jax.tree.map(lambda leaf, index=index: leaf[index], (params, *encoded))
        rows = [row("loss_nats", trained.losses[index]), *_distortion_and_rate(test)]
        directory.save_trained(name, rows, own_params, (train, test))


def _distortion_and_rate(encoded: Encoded) -> list[Row]:
    """Means over the people judged."""
    rates = np.asarray(encoded.rates, np.float64)
    active = np.var(encoded.mean, axis=0) > ACTIVE_VARIANCE
    by_number = [row("rate_nats_of_number", rate, str(index)) for index, rate in enumerate(rates.mean(axis=0))]
    return [
        row("rate_nats", rates.sum(axis=1).mean()),
        row("rate_nats_per_dimension", rates.mean()),
        *by_number,
        row("active_units", float(active.sum())),
        row("psnr_db", np.mean(encoded.psnr_db, dtype=np.float64)),
        row("ssim", np.mean(encoded.ssim, dtype=np.float64)),
    ]


def _audit(
    name: str,
    *,
    suite: Suite,
    members: Mapping[str, Config],
    pictures: Pictures,
    floors: Floors,
    directory: Directory,
) -> None:
    """Audits a member by a suite, unless that is done."""
    if any(each.suite == suite for each in directory.rows(name)):
        return
    config = members[name]
    description = described(create_bottleneck(config.model))
    try:
        codes = directory.codes(name, description.kind == "finite")
        rows = audit_codes(codes, pictures.people, pictures.attributes, floors, suite, config.seed)
        if suite == "quick":
            judged = pictures.people[1]
            release = Release(judged.labels, codes=codes[1].codes, people=judged.groups)
            audit_set = held_out(config)
            issued, _ = certificates(pictures.attributes, description, audit_set, release, releases=len(members))
            for each in issued:
                rows.append(row("certified_balanced_accuracy", each.bound, each.attribute))
                rows.append(row("certified_bits", np.log2(each.bound / each.chance), each.attribute))
        directory.add_rows(name, rows)
    # As in training: the others may do without it.
    except Exception as error:
        logger.exception("%s: %s audit failed", name, suite)
        directory.fail(name, f"{suite} audit: {type(error).__name__}: {error}".splitlines()[0])
        return
    logger.info("%s: %s audit done", name, suite)


def _side_by_side(function: Callable[[str], None], names: Iterable[str]) -> None:
    """One thread for each core: attackers use one."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(function, names))


def _succeeded(members: Iterable[str], directory: Directory) -> list[str]:
    return [name for name in members if not directory.failure(name)]


def _results(sweep: Sweep, members: Iterable[str], directory: Directory) -> list[Result]:
    return [sweep.result(name, directory.failure(name), directory.rows(name)) for name in members]
