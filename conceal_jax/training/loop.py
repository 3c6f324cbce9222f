"""The training loop: from a configuration to a trained run directory, stage by stage."""

import contextlib
import dataclasses
import logging
from collections.abc import Iterator, Mapping
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
from conceal_jax.plots.grids import PictureGrid, picture_grid
from conceal_jax.runs import learned_from, run_directory
from conceal_jax.runs.checkpoint import Checkpoints
from conceal_jax.runs.parameters import save_parameters
from conceal_jax.runs.plan import planned_stages
from conceal_jax.runtime.distributed import any_process, from_every_process, is_leader
from conceal_jax.runtime.interrupt import StopRequest, TrainingStopped
from conceal_jax.runtime.memory import give_back_freed_memory
from conceal_jax.runtime.parallel import Compilation, create_mesh, create_replicated, replicated_like
from conceal_jax.runtime.profiler import Profiler
from conceal_jax.runtime.progress import Progress
from conceal_jax.training.evaluator import Evaluator
from conceal_jax.training.feed import Feed, Pictures
from conceal_jax.training.metrics import MetricWriter, Sums, merge_sums, require_finite
from conceal_jax.training.stages import Stage, create_stages
from conceal_jax.training.state import TrainState

logger = logging.getLogger(__name__)

SHOWN = ("loss", "psnr_db", "reconstruction", "rate")
"""Of a stage's figures, those on the progress line."""


def train(config: Config, workdir: Path, profile: range = range(0)) -> TrainState:
    """Trains a run, or goes on with one that was interrupted.

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
        TrainingStopped: after Ctrl-C or SIGTERM, with the state saved.
    """
    run_directory.open_run(config, workdir)
    # The leader holds the directory for all processes of the run.
    with run_directory.held(workdir) if is_leader() else contextlib.nullcontext():
        data = _open_data(config, workdir)
        state: TrainState | None = None
        with StopRequest() as stop, _listed(data.report, workdir):
            for stage in create_stages(config, data.attributes):
                state = _train_stage(stage, state, _Run(config, workdir, data, stop, profile))
                if any_process(stop.requested):
                    logger.info("stopped at step %d; the same command goes on from there", int(state.step))
                    raise TrainingStopped(int(state.step), stop.signal)
        assert state is not None, "every run has a first stage"
        _save_parameters(state, config, workdir)
    logger.info("trained; for the report: conceal evaluate --workdir=%s", workdir)
    return state


@dataclasses.dataclass(frozen=True)
class _Data:
    """What a run learns from and is validated on."""

    attributes: AttributeSet
    pictures: Pictures
    validation: Resident | Collection
    report: DataReport
    mesh: Mesh


@dataclasses.dataclass(frozen=True)
class _Run:
    """What all stages of a run share."""

    config: Config
    workdir: Path
    data: _Data
    stop: StopRequest
    profile: range


def _open_data(config: Config, workdir: Path) -> _Data:
    """Opens the data, and writes down what the run is made of: attributes, people, configuration."""
    collection, mesh = open_collection(config.data, config.attributes, config.seed), create_mesh()
    _account_for(collection.report, config, workdir)
    training_set, validation_set = collection.subset("train"), collection.subset("validation")
    begun = (workdir / run_directory.CONFIG).exists()
    if begun:
        # Its folder may hold other pictures than it began with.
        learned_from.require_new(workdir, validation_set)
    give_back_freed_memory()
    attributes = config.attributes.available(training_set.labels).with_neutral(training_set.labels)
    if is_leader():
        attributes.save(workdir / run_directory.ATTRIBUTES)
    validation: Resident | Collection = validation_set
    if config.data.loader == "resident":
        validation = load_resident(validation_set, config.data.image_size, config.data.crop)
    _account_for(collection.report, config, workdir)
    if is_leader():
        # A run of an earlier version has no list of those it learned from.
        if not begun or (workdir / run_directory.LEARNED_FROM).exists():
            learned_from.remember(workdir, training_set, validation_set)
        config_files.save(config, workdir / run_directory.CONFIG)
    logger.info("training %s: %d pictures, %d for validation", workdir, len(training_set), len(validation_set))
    return _Data(attributes, Pictures(training_set, config, mesh), validation, collection.report, mesh)


def _train_stage(stage: Stage, previous: TrainState | None, run: _Run) -> TrainState:
    """Begins a stage or restores its newest checkpoint, and runs its remaining steps."""
    folder, data = run.workdir / stage.folder, run.data
    folder.mkdir(exist_ok=True)
    with Checkpoints(folder / run_directory.CHECKPOINTS, stage.schedule.keep_checkpoints) as checkpoints:
        params = None if previous is None else previous.averaged_model()
        state = create_replicated(stage.initial_state, data.mesh, params)
        restored = checkpoints.restore_latest(replicated_like(state, data.mesh))
        if restored is not None:
            state = restored
            logger.info("%s: going on from the checkpoint of step %d", stage.name, int(state.step))
        step = int(state.step)
        if step == stage.schedule.steps or any_process(run.stop.requested):
            return state
        count = sum(leaf.size for leaf in jax.tree.leaves(state.params))
        logger.info(
            "%s: %s parameters, %d %s device(s)", stage.name, f"{count:,}", data.mesh.size, jax.default_backend()
        )
        feed = stage.feed(data.pictures, previous, step)
        # Reading the pictures finds the unreadable ones: here those of a resident set, below those of a stream.
        _account_for(data.report, run.config, run.workdir)
        compilation = feed.compile(state, step).repeated(stage.schedule.microbatches)
        logger.info("%s: a step is compiled: %s", stage.name, compilation)
        with (
            Profiler(run.profile, folder / run_directory.PROFILE) as profiler,
            contextlib.closing(MetricWriter(folder, resume_step=step)) as writer,
            Progress(step, stage.schedule.steps, stage.schedule.batch_size) as progress,
        ):
            evaluator = Evaluator(stage.model, data.attributes, data.validation, run.config, data.mesh)
            events = _Events(stage, run, evaluator, checkpoints, writer, progress, compilation)
            state = _run_steps(state, stage, feed, events, profiler)
        with _tolerated("the data's report"):
            _account_for(data.report, run.config, run.workdir)
        return state


def _run_steps(state: TrainState, stage: Stage, feed: Feed, events: "_Events", profiler: Profiler) -> TrainState:
    """Runs a stage from the state's step to its end, or until a stop is requested."""
    step, steps, stop = int(state.step), stage.schedule.steps, events.run.stop
    window: Sums | None = None
    stopping = False
    while step < steps and not stopping:
        profiler.observe(step, state)
        next_event = min(_next_event(step, stage.schedule), profiler.next_edge(step))
        # Whatever the step needs is on the devices already; a transfer here would be a mistake that costs speed.
        with jax.transfer_guard("disallow"):
            state, sums, count = feed.advance(state, step, next_event - step)
            window = sums if window is None else merge_sums(window, sums)
        step += count
        events.progress.advance(count)
        # Several processes have to stop at the same step: they agree where they wait for each other anyway.
        if step == next_event or jax.process_count() == 1:
            stopping = any_process(stop.requested)
        if step == next_event or stopping:
            # First, so that nothing that is not finite is shown or saved.
            require_finite(window)
            window = events.after(step, state, window, ending=step == steps or stopping)
    return state


@dataclasses.dataclass(frozen=True)
class _Events:
    """What is done between the steps of a stage: figures, pictures, checkpoints."""

    stage: Stage
    run: _Run
    evaluator: Evaluator
    checkpoints: Checkpoints
    writer: MetricWriter
    progress: Progress
    compilation: Compilation

    def after(self, step: int, state: TrainState, window: Sums, ending: bool) -> Sums | None:
        """Does what is due at a step; returns the sums that are still to be logged."""
        schedule = self.stage.schedule
        logged = step % schedule.log_every == 0 or ending
        if logged:
            self._log(step, window)
        if step % schedule.evaluate_every == 0 or step == schedule.steps:
            figures = self.evaluator.figures(state.averaged_model())
            with _tolerated("figures"):
                self.writer.write(step, _named("validation", figures))
            self.progress.report(step, figures)
        if step % schedule.pictures_every == 0 or step == schedule.steps:
            with _tolerated("pictures"):
                _save_pictures(
                    self.evaluator.pictures(state.averaged_model()), self.run.workdir / self.stage.folder, step
                )
        if step % schedule.checkpoint_every == 0 or ending:
            self._save(step, state)
        self.progress.pause(step)
        return None if logged else window

    def _log(self, step: int, window: Sums) -> None:
        """Writes and shows the means since the last time, and the speed."""
        self.progress.measure(step)
        means, rate = window.means(), self.progress.images_per_second
        speed = {"images_per_second": rate}
        if self.compilation.flops:
            speed["gigaflops_per_second"] = self.compilation.flops * rate / self.stage.schedule.batch_size / 1e9
        with _tolerated("figures"):
            self.writer.write(step, {**_named("train", means), **speed})
        self.progress.show({name: value for name, value in means.items() if name in SHOWN})

    def _save(self, step: int, state: TrainState) -> None:
        """Saves what resuming needs and, in the last stage, what inference needs."""
        self.checkpoints.save(step, state)
        if self.stage.name == planned_stages(self.run.config)[-1].name:
            with _tolerated("the parameters"):
                _save_parameters(state, self.run.config, self.run.workdir)


def _next_event(step: int, config: TrainingConfig) -> int:
    """The next step after which something else than training is to be done."""
    periods = (config.log_every, config.evaluate_every, config.pictures_every, config.checkpoint_every)
    return min(config.steps, *((step // period + 1) * period for period in periods))


def _save_parameters(state: TrainState, config: Config, workdir: Path) -> None:
    if is_leader():
        path, stage = workdir / run_directory.PARAMETERS, planned_stages(config)[-1].name
        save_parameters(path, state.averaged_model(), config, step=int(state.step), stage=stage)


def _save_pictures(rows: np.ndarray, folder: Path, step: int) -> None:
    if not is_leader():
        return
    pictures = folder / run_directory.PICTURES
    pictures.mkdir(exist_ok=True)
    grid = PictureGrid(rows, row_labels=("original", "reconstructed", "concealed"))
    (pictures / f"{step:07d}.png").write_bytes(picture_grid(grid))


def _account_for(report: DataReport, config: Config, workdir: Path) -> None:
    """Writes the report before judging it, so that all bad items are listed."""
    # Each process has read its own share; all have to come to the same judgement.
    for skipped in from_every_process(report.skipped):
        report.skipped |= skipped
    if is_leader():
        report.write(workdir / run_directory.DATA_REPORT)
    report.require_mostly_good(config.data.max_bad_fraction)


@contextlib.contextmanager
def _listed(report: DataReport, workdir: Path) -> Iterator[None]:
    """Whatever ends training, the pictures that could not be read are listed: they may be the cause."""
    try:
        yield
    finally:
        with _tolerated("the data's report"):
            if is_leader():
                report.write(workdir / run_directory.DATA_REPORT)


@contextlib.contextmanager
def _tolerated(what: str) -> Iterator[None]:
    """A full disk ends no training: there is time to free some of it until the last checkpoint is due."""
    try:
        yield
    except OSError as error:
        logger.error("%s could not be written (%s); training goes on", what, error)


def _named(group: str, figures: Mapping[str, float]) -> dict[str, float]:
    return {f"{group}/{name}": value for name, value in figures.items()}
