"""What the runs in a folder have come to: stage, step, last figures, and what the audit read of codes.

examples:
  conceal runs runs/
"""

import argparse
import json
from pathlib import Path

from conceal_jax.commands.exit_codes import ExitCode
from conceal_jax.training import run_directory
from conceal_jax.training.metrics import read_metrics


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.add_argument("folder", metavar="DIR", type=Path, help="a run directory, or a folder with some in it")


def run(options: argparse.Namespace) -> ExitCode:
    """Does what the command says.

    Raises:
        ValueError: there is no run in the folder.
    """
    runs = sorted(path.parent for path in options.folder.rglob(run_directory.CONFIG))
    if not runs:
        raise ValueError(f"no run in {options.folder}; give a folder with run directories that train.py wrote")
    for workdir in runs:
        print(f"{workdir}\n  {_progress(workdir)}\n  {_audit(workdir)}")
    return ExitCode.DONE


def _progress(workdir: Path) -> str:
    """The last stage that was begun, its step, and the last figures of the validation people."""
    tree = json.loads((workdir / run_directory.CONFIG).read_text())
    censor = tree.get("censor", {})
    stages = [
        ("refit", workdir / run_directory.REFIT, censor.get("refit_steps")),
        ("censor", workdir / run_directory.CENSOR, censor.get("steps")),
        ("see", workdir, tree["training"]["steps"]),
    ]
    for stage, folder, steps in stages:
        path = folder / run_directory.METRICS
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
    path = workdir / run_directory.REPORT / "report.json"
    if not path.is_file():
        return f"not audited yet: python evaluate.py --workdir={workdir}"
    concealed = json.loads(path.read_text()).get("concealed", {})
    read = [
        f"{name} {100 * figures['codes']['balanced_accuracy']:.1f} % (floor {100 * figures['floor']:.1f} %)"
        for name, figures in concealed.items()
    ]
    return f"the audit read of codes: {', '.join(read)}"
