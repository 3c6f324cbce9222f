"""The runs in a folder: configuration, stage, step, last figures, and what the audit read.

examples:
  conceal runs runs/
"""

import argparse
from collections.abc import Callable
from pathlib import Path

from conceal_jax.audit.report.schema import read_report
from conceal_jax.audit.vocabulary import percent
from conceal_jax.commands import arguments
from conceal_jax.commands.exit_codes import ExitCode
from conceal_jax.config import Config
from conceal_jax.config import files as config_files
from conceal_jax.release.export.export import is_export
from conceal_jax.runs import run_directory
from conceal_jax.runs.plan import planned_stages
from conceal_jax.training.metrics import read_metrics


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.add_argument(
        "folder", metavar="DIR", type=arguments.path, help="a run directory, or a folder with some in it"
    )


def run(options: argparse.Namespace) -> ExitCode:
    """Does what the command says.

    Raises:
        ValueError: there is no run in the folder.
    """
    found = (path.parent for path in options.folder.rglob(run_directory.CONFIG))
    runs = sorted(workdir for workdir in found if not is_export(workdir))
    if not runs:
        raise ValueError(f"no run in {options.folder}; give a folder with run directories that `conceal train` wrote")
    for workdir in runs:
        print(workdir, *(_or_error(describe, workdir) for describe in (_settings, _progress, _audit)), sep="\n  ")
    return ExitCode.DONE


def _or_error(describe: Callable[[Path], str], workdir: Path) -> str:
    """One run that cannot be read does not keep the others from being listed."""
    try:
        return describe(workdir)
    except (ValueError, OSError) as error:
        return str(error)


def _settings(workdir: Path) -> str:
    """What the run conceals, and the fields of its configuration that are not the defaults."""
    config = config_files.load(workdir / run_directory.CONFIG)
    differing = config_files.differences(Config(config.attributes), config)
    concealed = ", ".join(spec.name for spec in config.attributes.concealed)
    return ", ".join([f"conceals {concealed}", *(f"{name}={value}" for name, (_, value) in differing.items())])


def _progress(workdir: Path) -> str:
    """The last stage that was begun, its step, and the last figures of the validation people."""
    for stage, folder, steps in reversed(planned_stages(config_files.load(workdir / run_directory.CONFIG))):
        path = workdir / folder / run_directory.METRICS
        lines = read_metrics(path) if path.is_file() else []
        if lines:
            return f"stage {stage}, step {lines[-1]['step']} of {steps}: {_figures(lines)}"
    return "no step has been logged"


def _figures(lines: list[dict[str, float]]) -> str:
    for line in reversed(lines):
        figures = {name.removeprefix("validation/"): value for name, value in line.items() if "validation/" in name}
        if figures:
            return ", ".join(f"{name} {value:.4g}" for name, value in figures.items())
    return "not evaluated yet"


def _audit(workdir: Path) -> str:
    report = read_report(workdir / run_directory.REPORT / "report.json")
    if report is None:
        return f"not audited yet: conceal evaluate --workdir={workdir}"
    read = [
        f"{name} {percent(item.released.best.value)} (floor {percent(item.floor.value)})"
        for name, item in report.concealed.items()
    ]
    return f"the audit reads: {', '.join(read)}"
