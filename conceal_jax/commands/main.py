"""Hides chosen attributes of photos: train a model, audit what its codes leak, conceal photos.

examples:
  conceal train --config=demo
  conceal evaluate --workdir=runs/demo
  conceal photos album.zip concealed/ --model runs/demo
  conceal COMMAND --help

exit status: 0 done, 1 failed, 2 wrong command line, 3 done but some files were skipped, 130 or 143 stopped
"""

import argparse
import importlib
import logging
import os
import sys
from collections.abc import Sequence
from types import ModuleType

from conceal_jax.commands import arguments as command_arguments
from conceal_jax.commands.exit_codes import ExitCode
from conceal_jax.runtime.errors import DataStalledError, NonFiniteError
from conceal_jax.runtime.interrupt import TrainingStopped
from conceal_jax.runtime.logs import configure_logging
from conceal_jax.version import __version__

COMMANDS = {
    "train": "train a run on labelled photos",
    "evaluate": "audit a run: what attackers read of its codes and pictures",
    "audit": "audit anybody's codes",
    "photos": "a folder or zip of photos to concealed pictures",
    "codes": "a folder or zip of photos to shards of codes",
    "decode": "codes to pictures, under any attributes",
    "export": "a run to a folder to hand on: safetensors, StableHLO, ONNX, model card",
    "serve": "a page on this machine: a photo beside its concealed picture",
    "card": "the model card of a run",
    "sweep": "rate, leakage and distortion of many bottlenecks, as curves",
    "upgrade": "write a run's parameters from its newest checkpoint, where the file is missing",
    "runs": "list the runs in a folder, and their figures",
    "doctor": "show versions and devices; time one training step",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit status."""
    command, rest = _parse_command(arguments)
    module = importlib.import_module(f"conceal_jax.commands.{command}")
    options = _parse_options(command, module, rest)
    configure_logging()
    logging.captureWarnings(True)
    try:
        return int(module.run(options))
    except TrainingStopped as stopped:
        return stopped.exit_code
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return ExitCode.INTERRUPTED
    except (ValueError, OSError, NonFiniteError) as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        if isinstance(error, DataStalledError):
            # The read that hangs keeps a thread of TensorFlow, for which Python's way out would wait.
            os._exit(ExitCode.FAILED)
        return ExitCode.FAILED


def _parse_options(command: str, module: ModuleType, rest: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        f"conceal {command}", description=module.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    module.add_arguments(parser)
    options = command_arguments.parse_arguments(parser, rest)
    if hasattr(module, "check_arguments"):
        module.check_arguments(parser, options)
    return options


def _parse_command(arguments: Sequence[str] | None) -> tuple[str, list[str]]:
    commands = "\n".join(f"  {name:<10}{text}" for name, text in COMMANDS.items())
    parser = argparse.ArgumentParser(
        "conceal",
        description=f"{__doc__}\ncommands:\n{commands}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage="conceal COMMAND ...",
    )
    parser.add_argument("--version", action="version", version=f"conceal_jax {__version__}")
    parser.add_argument("command", choices=COMMANDS, help=argparse.SUPPRESS)
    parser.add_argument("rest", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    return options.command, options.rest


if __name__ == "__main__":
    sys.exit(main())
