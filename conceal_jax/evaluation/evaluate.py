"""The evaluation of a run: its codes and pictures are handed to the audit, and a report is written."""

import dataclasses
import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from conceal_jax.attributes import Attribute, AttributeSet, Categorical
from conceal_jax.attributes.appearance import APPEARANCE, appearance
from conceal_jax.audit.audit import Audit, audit
from conceal_jax.audit.certificates.certificate import AuditSet, ReleaseDescription
from conceal_jax.audit.certificates.issuing import certificates
from conceal_jax.audit.examples import Posterior, draw_folds
from conceal_jax.audit.protocol import asked_for
from conceal_jax.audit.reading import Reading
from conceal_jax.audit.release import Release
from conceal_jax.audit.release_file import parse_release, read_arrays
from conceal_jax.audit.report import assemble as report
from conceal_jax.audit.settings import Settings
from conceal_jax.config import Config
from conceal_jax.data.collection import Collection
from conceal_jax.data.resident import Resident, load_resident
from conceal_jax.data.sources.open import open_with_undeclared
from conceal_jax.models.bottleneck import Bottleneck
from conceal_jax.plots import PictureGrid
from conceal_jax.release.encode import decode_codes, encode_pictures, encode_posteriors
from conceal_jax.release.trained import Run, load_run
from conceal_jax.runs import learned_from, run_directory
from conceal_jax.runtime.parallel import create_mesh
from conceal_jax.runtime.randomness import Stream, stream_key
from conceal_jax.training.evaluator import Evaluator

logger = logging.getLogger(__name__)

SHOWN_PEOPLE = 8
ASKED_PEOPLE = 5


def evaluate_run(workdir: Path) -> str:
    """Audits a run and writes `workdir/report/`.

    Attackers learn from training people and are judged on validation people.

    Returns:
        A one-screen summary.

    Raises:
        ValueError: the directory holds no trained run, or its data cannot be read.
    """
    start = time.perf_counter()
    run = load_run(workdir)
    config = run.config
    (training, validation), undeclared = _open_splits(run)
    learned_from.require_new(workdir, validation)
    resident = [_readable(part, config) for part in (training, validation)]
    figures = Evaluator(run.model, run.attributes, resident[1], config, create_mesh()).figures(run.params)
    logger.info("psnr %.2f dB, rate %.1f nats; encoding and concealing", figures["psnr_db"], figures["rate"])
    train = _release(run, training, resident[0], 0)
    test = _release(run, validation, resident[1], 1)
    settings = Settings(
        seed=config.seed,
        quick=config.evaluation.quick,
        cnn_epochs=config.evaluation.cnn_epochs,
        flip=config.data.flip,
        progress=logger.info,
    )
    attributes = dataclasses.replace(run.attributes, kept=(*run.attributes.kept, *APPEARANCE))
    found = audit(train, test, attributes, undeclared, settings)
    context = {
        "people": {"train": len(train), "test": len(test)},
        "seed": config.seed,
        "step": run.step,
        "seconds": round(time.perf_counter() - start, 1),
        "distortion": {name: figures[name] for name in ("psnr_db", "ssim")},
        "rate_nats": figures["rate"],
    }
    tree = report.assemble(
        found, asked_for=_agreement(run, found, test), certificates=_certificates(run, test), context=context
    )
    return report.write_report(workdir / run_directory.REPORT, tree, _grids(run, test))


def cross_fit_run(workdir: Path, folds: int) -> str:
    """Audits a run's codes by attackers that learn from people the encoder never saw; writes `workdir/report-folds/`.

    Everyone is a validation person: those of a fold are judged by attackers that learn from the other folds.

    Args:
        workdir: a trained run.
        folds: 2 or more.

    Returns, raises: as `evaluate_run`.
    """
    start = time.perf_counter()
    _require_folds(folds)
    run = load_run(workdir)
    config = run.config
    collection, _ = open_with_undeclared(config.data, run.attributes, config.seed)
    validation = collection.subset("validation")
    learned_from.require_new(workdir, validation)
    released = _release(run, validation, _readable(validation, config), 1)
    codes = dataclasses.replace(released, pictures=None, originals=None)
    settings = Settings(seed=config.seed, quick=config.evaluation.quick, folds=folds, progress=logger.info)
    found = audit(codes, codes, run.attributes, settings=settings)
    context = {
        "people": {"train": len(codes), "test": len(codes)},
        "seed": config.seed,
        "step": run.step,
        "folds": folds,
        "seconds": round(time.perf_counter() - start, 1),
    }
    tree = report.assemble(found, asked_for={}, certificates=_certificates(run, codes), context=context)
    return report.write_report(workdir / run_directory.REPORT_FOLDS, tree, {})


def audit_file(path: Path, out: Path, kept: Sequence[str] = (), *, folds: int = 0, seed: int = 0) -> str:
    """Audits anybody's codes or pictures, from an `.npz` (`conceal_jax.audit.release_file`); see `audit_arrays`."""
    return audit_arrays(read_arrays(path), str(path), out, kept, folds=folds, seed=seed)


def audit_arrays(
    arrays: Mapping[str, np.ndarray], origin: str, out: Path, kept: Sequence[str] = (), *, folds: int = 0, seed: int = 0
) -> str:
    """Audits anybody's codes or pictures and writes a report.

    Args:
        arrays: codes or pictures, and labels, by name (`conceal_jax.audit.release_file`).
        origin: the file they are from, for messages.
        out: directory of the report.
        kept: attributes that are not to be hidden.
        folds: where above 0, everyone is judged, by attackers that learn from the other folds; otherwise the file's
            test part or, if it has no split, a third of the people drawn at random.
        seed: of everything random.

    Returns:
        A one-screen summary.

    Raises:
        ValueError: the arrays do not hold what an audit needs.
    """
    start = time.perf_counter()
    if folds:
        _require_folds(folds)
    release, attributes, is_test = parse_release(arrays, origin, kept)
    train, test = (release, release) if folds else _parts(release, is_test, seed)
    found = audit(train, test, attributes, settings=Settings(seed=seed, folds=folds, progress=logger.info))
    context = {
        "people": {"train": len(train), "test": len(test)},
        "seed": seed,
        "folds": folds,
        "seconds": round(time.perf_counter() - start, 1),
    }
    reason = "how the release is made is not known to an audit of its numbers"
    tree = report.assemble(found, asked_for={}, certificates=_refused(attributes, reason), context=context)
    return report.write_report(out, tree, {})


def released_people(run: Run, count: int) -> Release:
    """Up to `count` of the run's training people with their labels, photos, codes and concealed pictures.

    Raises:
        ValueError: the run's data cannot be read.
    """
    collection, _ = open_with_undeclared(run.config.data, run.attributes, run.config.seed)
    people = collection.subset("train")
    chosen = np.random.default_rng(run.config.seed).permutation(len(people))[:count]
    people = people.take(np.sort(chosen))
    return _release(run, people, _readable(people, run.config), 0)


def _readable(people: Collection, config: Config) -> Resident:
    """The pictures of people who are to be judged, or learned from; who has none is told of.

    Raises:
        BadDataError: too many have none.
    """
    decoded = load_resident(people, config.data.image_size, config.data.crop)
    people.report.require_mostly_good(config.data.max_bad_fraction)
    absent = np.flatnonzero(~decoded.valid)
    if len(absent) == len(people):
        raise ValueError(f"none of {len(people)} pictures in {people.report.origin} can be read; restore them")
    if len(absent):
        names = ", ".join(people.names[absent[:3]])
        logger.warning("%d of %d pictures cannot be read and are left out: %s ...", len(absent), len(people), names)
    return decoded


def _require_folds(folds: int) -> None:
    if folds < 2:
        raise ValueError(f"got {folds} folds; give 2 or more, such as 5")


def _parts(release: Release, is_test: np.ndarray | None, seed: int) -> tuple[Release, Release]:
    """Who is learned from, and who is judged; nobody is in both."""
    if is_test is None:
        part = draw_folds(len(release), release.people, 3, seed)[0]
        is_test = np.isin(np.arange(len(release)), part)
    return release.take(np.flatnonzero(~is_test)), release.take(np.flatnonzero(is_test))


def _open_splits(run: Run) -> tuple[tuple[Collection, Collection], tuple[Attribute, ...]]:
    """The people that attackers learn from and those they are judged on; and the attributes nobody declared."""
    collection, undeclared = open_with_undeclared(run.config.data, run.attributes, run.config.seed)
    train = collection.subset("train")
    chosen = np.random.default_rng(run.config.seed).permutation(len(train))
    train = train.take(np.sort(chosen[: run.config.evaluation.attack_examples]))
    return (train, collection.subset("validation")), undeclared


def _release(run: Run, people: Collection, decoded: Resident, index: int) -> Release:
    """What recipients get of the readable pictures of a split, with fresh noise."""
    originals = decoded.images[decoded.valid]
    labels = {name: values[decoded.valid] for name, values in decoded.labels.items()}
    size = run.config.evaluation.batch_size
    key = stream_key(run.config.seed, Stream.RELEASE_NOISE, index)
    codes = encode_pictures(run.model, run.params, originals, key, size)
    return Release(
        {**labels, **appearance(originals)},
        codes=codes,
        pictures=decode_codes(run.model, run.params, codes, run.attributes.neutral_vector(), size),
        originals=originals,
        # What is rounded afterwards does not follow its Gaussian.
        posterior=None
        if run.model.released.mechanism().kind == "finite"
        else Posterior(*encode_posteriors(run.model, run.params, originals, size)),
        people=people.group[decoded.valid],
        persons_known=people.persons_known,
    )


def _agreement(run: Run, found: Audit, test: Release) -> dict[str, Reading]:
    """How well the reader of originals agrees with labels asked for at random."""
    assert found.reader is not None
    asked = _shuffled_labels(test.labels, run.attributes, run.config.seed)
    vectors = np.asarray(run.attributes.encode(asked))
    granted = decode_codes(run.model, run.params, test.inputs("codes"), vectors)
    return asked_for(found.reader, granted, asked, run.attributes)


def _certificates(run: Run, test: Release) -> dict[str, list[dict[str, Any]]]:
    """Certificates of the run's release, or why there are none."""
    release, audit_set = described(run.model.released), met_by_nobody(run.config)
    issued, refused = certificates(run.attributes, release, audit_set, test)
    return {
        "issued": [certificate.to_json() for certificate in issued],
        "refused": [{"attribute": name, "reason": reason} for name, reason in refused.items()],
    }


def described(bottleneck: Bottleneck) -> ReleaseDescription:
    """What an audit releases: one code of each photo, decoded under the same labels for all."""
    mechanism = bottleneck.mechanism()
    return ReleaseDescription(
        mechanism.kind,
        neutral_depends_on_photo=False,
        repeats_identical=False,
        releases_per_photo=1,
        clip_radius=mechanism.clip_radius,
        sigma=mechanism.sigma,
    )


def met_by_nobody(config: Config) -> AuditSet:
    """The validation people, of whom `certificates` takes one photo each."""
    return AuditSet(
        population=f"whoever the validation people of {config.data.source} with a known label were drawn from",
        used_in_training=False,
        used_in_selection=config.data.selection,
        one_photo_per_person=True,
    )


def _refused(attributes: AttributeSet, reason: str) -> dict[str, list[dict[str, Any]]]:
    return {"issued": [], "refused": [{"attribute": spec.name, "reason": reason} for spec in attributes.concealed]}


def _shuffled_labels(labels: Mapping[str, np.ndarray], attributes: AttributeSet, seed: int) -> dict[str, np.ndarray]:
    """Labels to ask for: each attribute's own, dealt out at random and so independent of the photos; none missing."""
    generator = np.random.default_rng(seed)
    asked: dict[str, np.ndarray] = {}
    for spec in attributes.concealed:
        known = labels[spec.name][~spec.is_missing(labels[spec.name])]
        asked[spec.name] = generator.choice(known, len(labels[spec.name])).astype(spec.dtype)
    return asked


def _grids(run: Run, test: Release) -> dict[str, PictureGrid]:
    """Originals beside what is made of them, and the grid of asked-for attributes."""
    codes, originals = test.inputs("codes"), test.inputs("originals")
    chosen = np.random.default_rng(run.config.seed).permutation(len(test))
    shown, asked = chosen[:SHOWN_PEOPLE], chosen[:ASKED_PEOPLE]
    own = np.asarray(run.attributes.encode({name: values[shown] for name, values in test.labels.items()}))
    reconstructed = decode_codes(run.model, run.params, codes[shown], own)
    rows = np.stack([originals[shown], reconstructed, test.inputs("pictures")[shown]])
    return {
        "concealed": PictureGrid(
            rows,
            row_labels=("original", "reconstructed", "concealed"),
            caption="People not seen in training: the photo, the photo decoded from its code under its own labels, "
            "and under the neutral label.",
        ),
        "asked_for": _asked_for_grid(run, test, asked),
    }


def _asked_for_grid(run: Run, test: Release, people: np.ndarray) -> PictureGrid:
    codes, originals = test.inputs("codes"), test.inputs("originals")
    columns, names = [originals[people]], ["original"]
    labels = {name: values[people] for name, values in test.labels.items()}
    for spec in run.attributes.concealed:
        for value, name in _values_to_show(spec):
            asked = {**labels, spec.name: np.full(len(people), value, spec.dtype)}
            vectors = np.asarray(run.attributes.encode(asked))
            columns.append(decode_codes(run.model, run.params, codes[people], vectors))
            names.append(name)
    return PictureGrid(
        np.stack(columns, axis=1),
        column_labels=names,
        caption="One attribute at a time is asked for; the person's other labels stay.",
    )


def _values_to_show(spec: Attribute) -> list[tuple[float, str]]:
    if isinstance(spec, Categorical):
        return [(index, name) for index, name in enumerate(spec.classes)]
    return [(value, f"{value:g}") for value in spec.examples]
