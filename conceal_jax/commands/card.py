"""The model card of a run, as Markdown on standard output.

examples:
  conceal card runs/utkface > card.md
"""

import argparse

from conceal_jax.commands import arguments
from conceal_jax.commands.exit_codes import ExitCode
from conceal_jax.release.concealer import read_run
from conceal_jax.release.export.model_card import model_card


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.add_argument("run", metavar="RUN", type=arguments.path, help="run directory, or exported folder")


def run(options: argparse.Namespace) -> ExitCode:
    """Does what the command says."""
    print(model_card(*read_run(options.run)), end="")
    return ExitCode.DONE
