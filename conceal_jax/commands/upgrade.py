"""The parameters of a run, written from the newest checkpoint of its last stage.

Training writes them by itself; runs trained by earlier versions, or whose file was lost, lack them.

examples:
  conceal upgrade runs/utkface
"""

import argparse
from pathlib import Path

from conceal_jax.commands.exit_codes import ExitCode
from conceal_jax.runs.upgrade import upgrade_run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.add_argument("run", metavar="RUN", type=Path, help="run directory")


def run(options: argparse.Namespace) -> ExitCode:
    """Does what the command says."""
    print(f"wrote {upgrade_run(options.run)}")
    return ExitCode.DONE
