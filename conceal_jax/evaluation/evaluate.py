"""The evaluation of a run: attackers read what it releases of held-out people, and a report is written."""

import dataclasses
import logging
import time
from pathlib import Path

from conceal_jax.attributes.appearance import APPEARANCE
from conceal_jax.audit.audit import audit
from conceal_jax.audit.report.assemble import assemble
from conceal_jax.audit.report.html_report import write_folder
from conceal_jax.audit.report.schema import Context, Distortion, People
from conceal_jax.audit.settings import Settings
from conceal_jax.config import Config
from conceal_jax.evaluation.arrays import require_folds
from conceal_jax.evaluation.certificates import certificates_of
from conceal_jax.evaluation.people import open_people, open_validation
from conceal_jax.evaluation.pictures import picture_grids
from conceal_jax.evaluation.release import release_of
from conceal_jax.evaluation.requested import read_requested
from conceal_jax.runs import run_directory
from conceal_jax.runs.trained import load_run
from conceal_jax.runtime.parallel import create_mesh
from conceal_jax.training.evaluator import Evaluator

logger = logging.getLogger(__name__)


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
    people = open_people(run, workdir)
    evaluator = Evaluator(run.model, run.attributes, people.test.decoded, run.config, create_mesh())
    figures = evaluator.figures(run.params)
    logger.info("psnr %.2f dB, rate %.1f nats; encoding and concealing", figures["psnr_db"], figures["rate"])
    train = release_of(run, people.train)
    test = release_of(run, people.test)
    attributes = dataclasses.replace(run.attributes, kept=(*run.attributes.kept, *APPEARANCE))
    found = audit(train, test, attributes, people.undeclared, _settings(run.config))
    context = Context(
        People(len(train), len(test)),
        run.config.seed,
        time.perf_counter() - start,
        step=run.step,
        distortion=Distortion(figures["psnr_db"], figures["ssim"]),
        rate_nats=figures["rate"],
    )
    report = assemble(found, context, read_requested(run, found.reader, test), certificates_of(run, test))
    return write_folder(workdir / run_directory.REPORT, report, picture_grids(run, test))


def cross_fit_run(workdir: Path, folds: int) -> str:
    """Audits a run's codes by attackers that learn from people the encoder never saw; writes `workdir/report-folds/`.

    Everyone is a validation person: those of a fold are judged by attackers that learn from the other folds.

    Args:
        workdir: a trained run.
        folds: 2 or more.

    Returns, raises: as `evaluate_run`.
    """
    start = time.perf_counter()
    require_folds(folds)
    run = load_run(workdir)
    released = release_of(run, open_validation(run, workdir))
    codes = dataclasses.replace(released, pictures=None, originals=None)
    found = audit(codes, codes, run.attributes, settings=_settings(run.config, folds))
    people = People(len(codes), len(codes))
    context = Context(people, run.config.seed, time.perf_counter() - start, folds, step=run.step)
    report = assemble(found, context, {}, certificates_of(run, codes))
    return write_folder(workdir / run_directory.REPORT_FOLDS, report, {})


def _settings(config: Config, folds: int = 0) -> Settings:
    return Settings(
        seed=config.seed,
        quick=config.evaluation.quick,
        folds=folds,
        cnn_epochs=config.evaluation.cnn_epochs,
        flip=config.data.flip,
        progress=logger.info,
    )
