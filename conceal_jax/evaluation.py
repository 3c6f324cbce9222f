"""The evaluation of a run: its codes and pictures are handed to the audit, and a report is written."""

import dataclasses
import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import PyTree

from conceal_jax import config_files
from conceal_jax.attributes import Attribute, AttributeSet, Categorical
from conceal_jax.audit import protocol, report
from conceal_jax.config import Config
from conceal_jax.data.resident import Resident, load_resident
from conceal_jax.data.sources import open_collection
from conceal_jax.models.vae import VAE, create_model
from conceal_jax.plots import PictureGrid
from conceal_jax.release.encode import decode_codes, encode_pictures
from conceal_jax.training import run_directory
from conceal_jax.training.checkpoint import restore_run
from conceal_jax.training.evaluation import Evaluator
from conceal_jax.training.parallel import create_mesh, replicated_like
from conceal_jax.training.state import create_optimizer, create_state

logger = logging.getLogger(__name__)

SHOWN_PEOPLE = 8
ASKED_PEOPLE = 5


@dataclasses.dataclass(frozen=True)
class Run:
    """A trained run, read back from its directory."""

    config: Config
    attributes: AttributeSet
    model: VAE
    params: PyTree
    step: int


@dataclasses.dataclass(frozen=True)
class People:
    """What attackers see of one split: original pictures, sampled codes, concealed pictures, and the labels."""

    pictures: np.ndarray
    labels: Mapping[str, np.ndarray]
    codes: np.ndarray
    concealed: np.ndarray


def load_run(workdir: Path) -> Run:
    """Reads a run: its averaged parameters, ready on this machine's devices.

    Raises:
        ValueError: the directory holds no trained run.
    """
    config = config_files.load(workdir / run_directory.CONFIG)
    attributes = AttributeSet.load(workdir / run_directory.ATTRIBUTES)
    model, mesh = create_model(config), create_mesh()
    fresh = create_state(model, create_optimizer(config.training), config)
    state = restore_run(workdir / run_directory.CHECKPOINTS, replicated_like(fresh, mesh))
    return Run(config, attributes, model, state.ema_params, int(state.step))


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
    settings = run.config.evaluation
    training, validation = _read_splits(run)
    figures = Evaluator(run.model, run.attributes, validation, run.config, create_mesh()).figures(run.params)
    logger.info("psnr %.2f dB, rate %.1f nats; encoding and concealing", figures["psnr_db"], figures["rate"])
    train, test = (_see(run, split, index) for index, split in enumerate((training, validation)))

    labels = (train.labels, test.labels)
    options: dict[str, Any] = {"seed": run.config.seed, "progress": logger.info}
    cnn: dict[str, Any] = {**options, "epochs": settings.cnn_epochs, "flip": run.config.data.flip}
    codes = protocol.read_codes(train.codes, labels[0], test.codes, labels[1], run.attributes, **options)
    originals, reader = protocol.read_pictures(
        train.pictures, labels[0], test.pictures, labels[1], run.attributes, **cnn
    )
    pictures, _ = protocol.read_pictures(train.concealed, labels[0], test.concealed, labels[1], run.attributes, **cnn)
    asked = _shuffled_labels(test.labels, run.attributes, run.config.seed)
    granted = decode_codes(run.model, run.params, test.codes, np.asarray(run.attributes.encode(asked)))

    tree = report.assemble(
        run.attributes,
        protocol.floors(train.labels, test.labels, run.attributes, seed=run.config.seed),
        originals,
        codes,
        pictures,
        protocol.asked_for(reader, granted, asked, run.attributes),
        distortion={name: figures[name] for name in ("psnr_db", "ssim")},
        rate_nats=figures["rate"],
        context={
            "people": {"train": len(train.codes), "test": len(test.codes)},
            "seed": run.config.seed,
            "step": run.step,
            "seconds": round(time.perf_counter() - start, 1),
        },
    )
    return report.write_report(workdir / run_directory.REPORT, tree, _grids(run, test))


def _read_splits(run: Run) -> tuple[Resident, Resident]:
    data = run.config.data
    collection = open_collection(data, run.attributes, run.config.seed)
    train = collection.subset("train")
    chosen = np.random.default_rng(run.config.seed).permutation(len(train))
    train = train.take(np.sort(chosen[: run.config.evaluation.attack_examples]))
    splits = (train, collection.subset("validation"))
    return tuple(load_resident(split, data.image_size, data.crop) for split in splits)  # type: ignore[return-value]


def _see(run: Run, split: Resident, index: int) -> People:
    """What attackers see of the readable pictures of a split, with fresh noise."""
    pictures = split.images[split.valid]
    labels = {name: values[split.valid] for name, values in split.labels.items()}
    size = run.config.evaluation.batch_size
    key = jax.random.fold_in(jax.random.fold_in(jax.random.key(run.config.seed), 2), index)
    codes = encode_pictures(run.model, run.params, pictures, key, size)
    concealed = decode_codes(run.model, run.params, codes, run.attributes.neutral_vector(), size)
    return People(pictures, labels, codes, concealed)


def _shuffled_labels(labels: Mapping[str, np.ndarray], attributes: AttributeSet, seed: int) -> dict[str, np.ndarray]:
    """Labels to ask for: each attribute's own, dealt out at random and so independent of the photos; none missing."""
    generator = np.random.default_rng(seed)
    asked: dict[str, np.ndarray] = {}
    for spec in attributes.concealed:
        known = labels[spec.name][~spec.is_missing(labels[spec.name])]
        asked[spec.name] = generator.choice(known, len(labels[spec.name])).astype(spec.dtype)
    return asked


def _grids(run: Run, test: People) -> dict[str, PictureGrid]:
    """Originals beside what is made of them, and the grid of asked-for attributes."""
    chosen = np.random.default_rng(run.config.seed).permutation(len(test.codes))
    shown, asked = chosen[:SHOWN_PEOPLE], chosen[:ASKED_PEOPLE]
    own = np.asarray(run.attributes.encode({name: values[shown] for name, values in test.labels.items()}))
    reconstructed = decode_codes(run.model, run.params, test.codes[shown], own)
    rows = np.stack([test.pictures[shown], reconstructed, test.concealed[shown]])
    return {
        "concealed": PictureGrid(
            rows,
            row_labels=("original", "reconstructed", "concealed"),
            caption="People not seen in training: the photo, the photo decoded from its code under its own labels, "
            "and under the neutral label.",
        ),
        "asked_for": _asked_for_grid(run, test, asked),
    }


def _asked_for_grid(run: Run, test: People, people: np.ndarray) -> PictureGrid:
    columns, names = [test.pictures[people]], ["original"]
    labels = {name: values[people] for name, values in test.labels.items()}
    for spec in run.attributes.concealed:
        for value, name in _values_to_show(spec):
            asked = {**labels, spec.name: np.full(len(people), value, spec.dtype)}
            vectors = np.asarray(run.attributes.encode(asked))
            columns.append(decode_codes(run.model, run.params, test.codes[people], vectors))
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
