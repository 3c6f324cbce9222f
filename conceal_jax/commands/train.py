"""Trains a run. Started again, the same command goes on from the last checkpoint.

Exit status: 0 trained, 1 failed, 2 wrong command line; stopped and saved 130 (Ctrl-C) or 143 (SIGTERM). A second
signal ends the process at once, without saving.

examples:
  conceal train
  conceal train --config=utkface --config.data.path=utkface.zip --workdir=runs/utkface
  conceal train --config=my_config.py --config.training.steps=8000
"""

import argparse
from pathlib import Path

from conceal_jax.commands import arguments
from conceal_jax.commands.exit_codes import ExitCode
from conceal_jax.config import files as config_files
from conceal_jax.runtime import distributed
from conceal_jax.runtime.compilation_cache import keep_compiled_programs
from conceal_jax.runtime.interrupt import TrainingStopped
from conceal_jax.runtime.memory import keep_freed_memory
from conceal_jax.runtime.parallel import give_devices_threads
from conceal_jax.runtime.profiler import parse_window
from conceal_jax.training.loop import train


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    arguments.add_overrides(parser)
    parser.add_argument("--config", default="demo", help="a shipped name, or a Python file (default: %(default)s)")
    parser.add_argument("--workdir", type=arguments.path, help="run directory (default: runs/NAME)")
    parser.add_argument("--profile", metavar="START:STOP", help="write a profile of these steps of each stage")
    joining = "join the other processes of the run; auto: where a launcher started several (see docs/scaling.md)"
    parser.add_argument("--distributed", choices=("auto", "on", "off"), default="auto", help=joining)


def run(options: argparse.Namespace) -> ExitCode:
    """Does what the command says.

    Raises:
        ValueError: the configuration is not valid, or its data cannot be used.
        TrainingStopped: a signal ended training; its state is saved.
    """
    config = config_files.load_config(options.config, options.overrides)
    workdir = options.workdir or Path("runs") / Path(options.config.partition(":")[0]).stem
    window = parse_window(options.profile) if options.profile else range(0)
    keep_freed_memory()
    keep_compiled_programs()
    distributed.connect(options.distributed)
    give_devices_threads()
    distributed.assign_roles()
    try:
        train(config, workdir, window)
    except TrainingStopped:
        distributed.disconnect()
        raise
    distributed.disconnect()
    return ExitCode.DONE
