"""The training loop: one ordered pass from a configuration to a trained run directory."""

import contextlib
import logging
from collections.abc import Mapping
from pathlib import Path

import jax
import numpy as np
import optax
from jax.sharding import Mesh

from conceal_jax import config_files, plots
from conceal_jax.config import Config, TrainingConfig
from conceal_jax.data.report import DataReport
from conceal_jax.data.resident import load_resident
from conceal_jax.data.sources import open_collection
from conceal_jax.models.vae import VAE, create_model
from conceal_jax.training import run_directory
from conceal_jax.training.checkpoint import Checkpoints
from conceal_jax.training.evaluation import Evaluator
from conceal_jax.training.feed import Feed, create_feed
from conceal_jax.training.interrupt import StopRequest
from conceal_jax.training.metrics import MetricWriter, Sums, merge_sums, require_finite
from conceal_jax.training.parallel import create_mesh, replicate, replicated_like
from conceal_jax.training.progress import Progress
from conceal_jax.training.state import TrainState, create_optimizer, create_state
from conceal_jax.training.step import bind_train_step

logger = logging.getLogger(__name__)


def train(config: Config, workdir: Path) -> TrainState:
    """Trains a run, or goes on with one that was interrupted.

    Args:
        config: validated; see `config_files.load_config`.
        workdir: the run directory; made if missing.

    Returns:
        The state after the last step, or after the step at which Ctrl-C or SIGTERM asked to stop.

    Raises:
        ValueError: the data cannot be used, or `workdir` holds another run.
        NonFiniteError: the loss is not finite; names the step and the term.
    """
    run_directory.open_run(config, workdir)
    collection = open_collection(config.data, config.attributes, config.seed)
    _account_for_data(collection.report, config, workdir)
    training_set, validation_set = collection.subset("train"), collection.subset("validation")
    attributes = config.attributes.available(training_set.labels).with_neutral(training_set.labels)
    attributes.save(workdir / run_directory.ATTRIBUTES)
    mesh, model, optimizer = create_mesh(), create_model(config), create_optimizer(config.training)
    step_function = bind_train_step(model, attributes, optimizer, config)
    with (
        Checkpoints(workdir / run_directory.CHECKPOINTS, config.training.keep_checkpoints) as checkpoints,
        StopRequest() as stop,
    ):
        state = _first_state(model, optimizer, config, mesh, checkpoints)
        validation = load_resident(validation_set, config.data.image_size, config.data.crop)
        feed = create_feed(training_set, int(state.step), step_function, config, mesh)
        # Once more: reading the pictures is what finds the unreadable ones.
        _account_for_data(collection.report, config, workdir)
        config_files.save(config, workdir / run_directory.CONFIG)
        evaluator = Evaluator(model, attributes, validation, config, mesh)
        logger.info(
            "training %s: %d pictures, %d for validation, %s parameters, %d %s device(s)",
            workdir,
            len(training_set),
            len(validation_set),
            f"{sum(leaf.size for leaf in jax.tree.leaves(state.params)):,}",
            mesh.size,
            jax.default_backend(),
        )
        return _run(state, feed, evaluator, checkpoints, stop, config.training, workdir)


def _account_for_data(report: DataReport, config: Config, workdir: Path) -> None:
    """Writes the report before judging it, so that whoever has to mend the data finds all that is bad."""
    report.write(workdir / run_directory.DATA_REPORT)
    report.require_mostly_good(config.data.max_bad_fraction)


def _run(
    state: TrainState,
    feed: Feed,
    evaluator: Evaluator,
    checkpoints: Checkpoints,
    stop: StopRequest,
    config: TrainingConfig,
    workdir: Path,
) -> TrainState:
    step = int(state.step)
    window: Sums | None = None
    with (
        contextlib.closing(MetricWriter(workdir, resume_step=step)) as writer,
        Progress(step, config.steps, config.batch_size) as progress,
    ):
        while step < config.steps and not stop.requested:
            next_event = _next_event(step, config)
            # Whatever the step needs is on the devices already; a transfer here would be a mistake that costs speed.
            with jax.transfer_guard("disallow"):
                state, sums, count = feed.advance(state, step, next_event - step)
                window = sums if window is None else merge_sums(window, sums)
            step += count
            progress.advance(count)
            if step < next_event and not stop.requested:
                continue
            # Before anything else, so that nothing that is not finite is shown or saved.
            require_finite(window)
            ending = step == config.steps or stop.requested
            if step % config.log_every == 0 or ending:
                progress.measure(step)
                means = window.means()
                writer.write(step, {**_named("train", means), "images_per_second": progress.images_per_second})
                progress.show({name: means[name] for name in ("loss", "psnr_db", "rate")})
                window = None
            if step % config.evaluate_every == 0 or step == config.steps:
                figures = evaluator.figures(state.ema_params)
                writer.write(step, _named("validation", figures))
                progress.report(step, figures)
            if step % config.pictures_every == 0 or step == config.steps:
                _save_pictures(evaluator.pictures(state.ema_params), workdir, step)
            if step % config.checkpoint_every == 0 or ending:
                checkpoints.save(step, state)
            progress.pause(step)
    return state


def _next_event(step: int, config: TrainingConfig) -> int:
    """The next step after which something else than training is to be done."""
    periods = (config.log_every, config.evaluate_every, config.pictures_every, config.checkpoint_every)
    return min(config.steps, *((step // period + 1) * period for period in periods))


def _named(group: str, figures: Mapping[str, float]) -> dict[str, float]:
    return {f"{group}/{name}": value for name, value in figures.items()}


def _save_pictures(rows: np.ndarray, workdir: Path, step: int) -> None:
    folder = workdir / run_directory.PICTURES
    folder.mkdir(exist_ok=True)
    grid = plots.PictureGrid(rows, row_labels=("original", "reconstructed", "concealed"))
    (folder / f"{step:07d}.png").write_bytes(plots.picture_grid(grid))


def _first_state(
    model: VAE,
    optimizer: optax.GradientTransformation,
    config: Config,
    mesh: Mesh,
    checkpoints: Checkpoints,
) -> TrainState:
    fresh = create_state(model, optimizer, config)
    restored = checkpoints.restore_latest(replicated_like(fresh, mesh))
    if restored is None:
        return replicate(fresh, mesh)
    logger.info("going on from the checkpoint of step %d", int(restored.step))
    return restored
