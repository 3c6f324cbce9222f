"""A trained run as a folder to hand on: safetensors, StableHLO, ONNX, attributes, model card, and checksums.

Needs the extra [export]. `card`, `serve` and --model take the folder in place of the run directory.

examples:
  conceal export runs/utkface utkface-model/
  conceal codes album/ codes/ --model utkface-model/
"""

import argparse

from conceal_jax.commands import arguments
from conceal_jax.commands.exit_codes import ExitCode
from conceal_jax.release.export.export import export_run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.add_argument("run", metavar="RUN", type=arguments.path, help="run directory that `conceal train` wrote")
    parser.add_argument("out", metavar="OUT", type=arguments.path, help="folder to make")


def run(options: argparse.Namespace) -> ExitCode:
    """Does what the command says."""
    files = export_run(options.run, options.out)
    print(f"{options.out} holds {', '.join(files)}")
    return ExitCode.DONE
