"""The training loop: one ordered pass from a configuration to a trained run directory."""

import contextlib
import dataclasses
import logging
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import jax
import numpy as np
from jax.sharding import Mesh

from conceal_jax.attributes import AttributeSet
from conceal_jax.config import Config, TrainingConfig
from conceal_jax.config import files as config_files
from conceal_jax.data.collection import Collection
from conceal_jax.data.report import DataReport
from conceal_jax.data.resident import Resident, load_resident
from conceal_jax.data.sources.open import open_collection
from conceal_jax.models.vae import VAE, create_censor, create_model
from conceal_jax.plots.grids import PictureGrid, picture_grid
from conceal_jax.runs import learned_from, run_directory
from conceal_jax.runs.checkpoint import Checkpoints
from conceal_jax.runs.parameters import save_parameters
from conceal_jax.runs.plan import planned_stages
from conceal_jax.runtime.distributed import any_process, from_every_process, is_leader
from conceal_jax.runtime.errors import NonFiniteError
from conceal_jax.runtime.interrupt import StopRequest, TrainingStopped
from conceal_jax.runtime.memory import give_back_freed_memory
from conceal_jax.runtime.parallel import create_mesh, create_replicated, replicated_like
from conceal_jax.runtime.profiler import Profiler
from conceal_jax.runtime.progress import Progress
from conceal_jax.training import stages
from conceal_jax.training.autoencoder_step import bind_train_step
from conceal_jax.training.censor_step import batch_parts, bind_censor_step
from conceal_jax.training.evaluator import Evaluator
from conceal_jax.training.feed import Feed, Pictures, ResidentFeed
from conceal_jax.training.metrics import MetricWriter, Sums, merge_sums, require_finite
from conceal_jax.training.skipping import SkippedSteps, SkippingFeed
from conceal_jax.training.state import TrainState, create_optimizer

logger = logging.getLogger(__name__)

SHOWN = ("loss", "psnr_db", "reconstruction", "rate")
"""Of a stage's figures, those on the progress line."""


def train(config: Config, workdir: Path, profile: range = range(0)) -> TrainState:
    """Trains a run, or goes on with one that was interrupted: learn to see, then censor, then refit the decoder.

    Args:
        config: validated; see `config_files.load_config`.
        workdir: the run directory; made if missing.
        profile: steps of each stage that a profile is written of.

    Returns:
        The last stage's state after its last step.

    Raises:
        ValueError: the data cannot be used, `workdir` holds another run or is in use, or a checkpoint is of no use.
        OSError: data did not come, or the last figures could not be written.
        NonFiniteError: the loss is not finite; names the step and the term.
        TrainingStopped: Ctrl-C or SIGTERM asked for it, and the state is saved.
    """
    run_directory.open_run(config, workdir)
    # The others of its processes are in it by right.
    with run_directory.held(workdir) if is_leader() else contextlib.nullcontext():
        return _train(config, workdir, profile)


def _train(config: Config, workdir: Path, profile: range) -> TrainState:
    collection = open_collection(config.data, config.attributes, config.seed)
    _account_for_data(collection.report, config, workdir)
    training_set, validation_set = collection.subset("train"), collection.subset("validation")
    begun = (workdir / run_directory.CONFIG).exists()
    if begun:
        # It may find other pictures than it began with.
        learned_from.require_new(workdir, validation_set)
    give_back_freed_memory()
    attributes = config.attributes.available(training_set.labels).with_neutral(training_set.labels)
    if is_leader():
        attributes.save(workdir / run_directory.ATTRIBUTES)
    pictures = Pictures(training_set, config)
    validation: Resident | Collection = validation_set
    if config.data.loader == "resident":
        validation = load_resident(validation_set, config.data.image_size, config.data.crop)
    account = partial(_account_for_data, collection.report, config, workdir)
    account()
    if is_leader():
        # Of a run of an earlier version nobody knows.
        if not begun or (workdir / run_directory.LEARNED_FROM).exists():
            learned_from.remember(workdir, training_set, validation_set)
        config_files.save(config, workdir / run_directory.CONFIG)
    logger.info("training %s: %d pictures, %d for validation", workdir, len(training_set), len(validation_set))
    with StopRequest() as stop, _listed(collection.report, workdir):
        run = _Training(config, attributes, pictures, validation, create_mesh(), account, stop, workdir, profile)
        state = run.see()
        if config.censor.steps and not any_process(stop.requested):
            state = run.censor(state)
        if config.censor.steps and config.censor.refit_steps and not any_process(stop.requested):
            state = run.refit(state)
        if any_process(stop.requested):
            logger.info("stopped at step %d; the same command goes on from there", int(state.step))
            raise TrainingStopped(int(state.step), stop.signal)
    _save_parameters(state, config, workdir)
    logger.info("trained; for the report: python evaluate.py --workdir=%s", workdir)
    return state


@dataclasses.dataclass(frozen=True)
class _Training:
    """The stages of a run; each goes on from its newest checkpoint, and does nothing where its last one is there."""

    config: Config
    attributes: AttributeSet
    pictures: Pictures
    validation: Resident | Collection
    mesh: Mesh
    account: Callable[[], None]
    stop: StopRequest
    workdir: Path
    profile: range

    def see(self) -> TrainState:
        """The bare VAE."""
        model = create_model(self.config, censored=False)
        fresh = partial(create_replicated, partial(stages.first_state, self.config), self.mesh)
        return self._on_pictures(model, fresh, self.config.training, self.workdir)

    def censor(self, seen: TrainState) -> TrainState:
        """The censor, on what the VAE's encoder makes of the pictures."""
        config, schedule = self.config, stages.censor_schedule(self.config)
        params = seen.averaged_model()
        step = bind_censor_step(create_censor(config), self.attributes, create_optimizer(schedule), config)
        beta = float(np.exp(seen.log_beta))

        def feed(start_step: int) -> Feed:
            del start_step
            codes = self.pictures.first_codes(create_model(config, censored=False), params, beta, self.mesh)
            return ResidentFeed(codes, step, schedule.batch_size * batch_parts(config), config, self.mesh)

        create = partial(stages.censor_state, config=config, attributes=self.attributes)
        fresh = partial(create_replicated, create, self.mesh, params)
        return self._run(create_model(config), fresh, feed, schedule, self.workdir / "censor")

    def refit(self, censored: TrainState) -> TrainState:
        """The decoders alone, on pictures."""
        create = partial(stages.refit_state, config=self.config)
        fresh = partial(create_replicated, create, self.mesh, censored.averaged_model())
        folder, schedule = self.workdir / "refit", stages.refit_schedule(self.config)
        return self._on_pictures(create_model(self.config), fresh, schedule, folder, neutral_share=0.25)

    def _on_pictures(
        self,
        model: VAE,
        fresh: Callable[[], TrainState],
        schedule: TrainingConfig,
        folder: Path,
        neutral_share: float = 0.0,
    ) -> TrainState:
        step = bind_train_step(model, self.attributes, create_optimizer(schedule), self.config, neutral_share)
        return self._run(model, fresh, lambda start: self.pictures.feed(start, step, self.mesh), schedule, folder)

    def _run(
        self,
        model: VAE,
        fresh: Callable[[], TrainState],
        create_feed: Callable[[int], Feed],
        schedule: TrainingConfig,
        folder: Path,
    ) -> TrainState:
        folder.mkdir(exist_ok=True)
        skipped = SkippedSteps(folder / run_directory.SKIPPED_STEPS)
        while True:
            try:
                return self._attempt(model, fresh(), create_feed, schedule, folder, skipped)
            except NonFiniteError as error:
                if schedule.on_nonfinite == "stop":
                    raise
                skipped.add(error)
                logger.warning("not finite at step %d: back to the last checkpoint, to skip its batch", error.step)

    def _attempt(
        self,
        model: VAE,
        fresh: TrainState,
        create_feed: Callable[[int], Feed],
        schedule: TrainingConfig,
        folder: Path,
        skipped: SkippedSteps,
    ) -> TrainState:
        with Checkpoints(folder / run_directory.CHECKPOINTS, schedule.keep_checkpoints) as checkpoints:
            state = _newest_state(fresh, self.mesh, checkpoints)
            if int(state.step) == schedule.steps:
                return state
            logger.info(
                "%s: %s parameters, %d %s device(s)",
                folder.name,
                f"{sum(leaf.size for leaf in jax.tree.leaves(state.params)):,}",
                self.mesh.size,
                jax.default_backend(),
            )
            feed = create_feed(int(state.step))
            # Reading the pictures is what finds the unreadable ones: here a resident set, below a stream.
            self.account()
            evaluator = Evaluator(model, self.attributes, self.validation, self.config, self.mesh)
            is_last = folder == self.workdir / planned_stages(self.config)[-1].folder

            def save(step: int, state: TrainState) -> None:
                checkpoints.save(step, state)
                if is_last:
                    with _tolerated("the parameters"):
                        _save_parameters(state, self.config, self.workdir)

            with Profiler(self.profile, folder / run_directory.PROFILE) as profiler:
                state = _run(state, feed, evaluator, save, self.stop, profiler, skipped, schedule, folder)
            with _tolerated("the data's report"):
                self.account()
            return state


def _account_for_data(report: DataReport, config: Config, workdir: Path) -> None:
    """Writes the report before judging it, so that whoever has to mend the data finds all that is bad."""
    # Each process has read its own share; all have to come to the same judgement.
    for skipped in from_every_process(report.skipped):
        report.skipped |= skipped
    if is_leader():
        report.write(workdir / run_directory.DATA_REPORT)
    report.require_mostly_good(config.data.max_bad_fraction)


@contextlib.contextmanager
def _listed(report: DataReport, workdir: Path) -> Iterator[None]:
    """Whatever ends training, what this process could not read is listed: it may be the cause."""
    try:
        yield
    finally:
        with _tolerated("the data's report"):
            if is_leader():
                report.write(workdir / run_directory.DATA_REPORT)


def _run(
    state: TrainState,
    feed: Feed,
    evaluator: Evaluator,
    save: Callable[[int, TrainState], None],
    stop: StopRequest,
    profiler: Profiler,
    skipped: SkippedSteps,
    config: TrainingConfig,
    workdir: Path,
) -> TrainState:
    step = int(state.step)
    feed = SkippingFeed(feed, skipped)
    compilation = feed.compile(state, step).repeated(config.microbatches)
    logger.info("%s: a step is compiled: %s", workdir.name, compilation)
    window: Sums | None = None
    stopping = any_process(stop.requested)
    with (
        contextlib.closing(MetricWriter(workdir, resume_step=step)) as writer,
        Progress(step, config.steps, config.batch_size) as progress,
    ):
        while step < config.steps and not stopping:
            profiler.observe(step, state)
            next_event = min(_next_event(step, config), profiler.next_edge(step))
            # Whatever the step needs is on the devices already; a transfer here would be a mistake that costs speed.
            with jax.transfer_guard("disallow"):
                state, sums, count = feed.advance(state, step, next_event - step)
                window = sums if window is None else merge_sums(window, sums)
            step += count
            progress.advance(count)
            # Several processes have to stop at the same step: they agree where they wait for each other anyway.
            if step == next_event or jax.process_count() == 1:
                stopping = any_process(stop.requested)
            if step < next_event and not stopping:
                continue
            # Before anything else, so that nothing that is not finite is shown or saved.
            require_finite(window)
            ending = step == config.steps or stopping
            if step % config.log_every == 0 or ending:
                progress.measure(step)
                means = window.means()
                speed = {"images_per_second": progress.images_per_second}
                if compilation.flops:
                    steps_per_second = progress.images_per_second / config.batch_size
                    speed["gigaflops_per_second"] = compilation.flops * steps_per_second / 1e9
                with _tolerated("figures"):
                    writer.write(step, {**_named("train", means), **speed, **skipped.figures(step)})
                progress.show({name: value for name, value in means.items() if name in SHOWN})
                window = None
            if step % config.evaluate_every == 0 or step == config.steps:
                figures = evaluator.figures(state.averaged_model())
                with _tolerated("figures"):
                    writer.write(step, _named("validation", figures))
                progress.report(step, figures)
            if step % config.pictures_every == 0 or step == config.steps:
                with _tolerated("pictures"):
                    _save_pictures(evaluator.pictures(state.averaged_model()), workdir, step)
            if step % config.checkpoint_every == 0 or ending:
                save(step, state)
            progress.pause(step)
    return state


def _next_event(step: int, config: TrainingConfig) -> int:
    """The next step after which something else than training is to be done."""
    periods = (config.log_every, config.evaluate_every, config.pictures_every, config.checkpoint_every)
    return min(config.steps, *((step // period + 1) * period for period in periods))


@contextlib.contextmanager
def _tolerated(what: str) -> Iterator[None]:
    """A full disk ends no training: there is time to free some of it until the last checkpoint is due."""
    try:
        yield
    except OSError as error:
        logger.error("%s could not be written (%s); training goes on", what, error)


def _named(group: str, figures: Mapping[str, float]) -> dict[str, float]:
    return {f"{group}/{name}": value for name, value in figures.items()}


def _save_parameters(state: TrainState, config: Config, workdir: Path) -> None:
    if is_leader():
        path, stage = workdir / run_directory.PARAMETERS, planned_stages(config)[-1].name
        save_parameters(path, state.averaged_model(), config, step=int(state.step), stage=stage)


def _save_pictures(rows: np.ndarray, workdir: Path, step: int) -> None:
    if not is_leader():
        return
    folder = workdir / run_directory.PICTURES
    folder.mkdir(exist_ok=True)
    grid = PictureGrid(rows, row_labels=("original", "reconstructed", "concealed"))
    (folder / f"{step:07d}.png").write_bytes(picture_grid(grid))


def _newest_state(fresh: TrainState, mesh: Mesh, checkpoints: Checkpoints) -> TrainState:
    restored = checkpoints.restore_latest(replicated_like(fresh, mesh))
    if restored is None:
        return fresh
    logger.info("going on from the checkpoint of step %d", int(restored.step))
    return restored
