"""Trains a run: `python train.py` alone trains the demo on synthetic faces.

    python train.py --config=configs/utkface.py --config.data.path=utkface.zip --workdir=runs/utkface

Any field of the configuration can be overridden: --config.model.latent_dim=64. Started again with the same arguments,
an interrupted run goes on where its last checkpoint stands. Exit status: 0 trained, 1 failed, 2 wrong command line;
stopped and saved 130 (Ctrl-C) or 143 (SIGTERM). A second signal ends it at once, without saving.
"""

import argparse
import sys
from pathlib import Path

from conceal_jax.config import files as config_files
from conceal_jax.runtime import distributed
from conceal_jax.runtime.compilation_cache import keep_compiled_programs
from conceal_jax.runtime.interrupt import TrainingStopped, ended_in_a_line
from conceal_jax.runtime.logs import configure_logging
from conceal_jax.runtime.memory import keep_freed_memory
from conceal_jax.runtime.parallel import give_devices_threads
from conceal_jax.runtime.profiler import parse_window
from conceal_jax.training.loop import train


def parse_arguments(arguments: list[str]) -> tuple[argparse.Namespace, dict[str, str]]:
    """Splits the command line into options and overrides of the configuration."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="configs/demo.py", help="configuration file (default: %(default)s)")
    parser.add_argument("--workdir", type=Path, help="run directory (default: runs/NAME of the configuration)")
    parser.add_argument("--profile", metavar="START:STOP", help="write a profile of these steps of each stage")
    joining = "join the other processes of the run; auto: where a launcher started several (see docs/scaling.md)"
    parser.add_argument("--distributed", choices=("auto", "on", "off"), default="auto", help=joining)
    options, rest = parser.parse_known_args(arguments)
    overrides = {}
    for argument in rest:
        name, equals, value = argument.partition("=")
        if not (name.startswith("--config.") and equals):
            parser.error(f"unknown argument {argument}; --help lists those there are, besides --config.FIELD=VALUE")
        overrides[name.removeprefix("--config.")] = value
    return options, overrides


def main(arguments: list[str]) -> None:
    """Runs the command line."""
    configure_logging()
    options, overrides = parse_arguments(arguments)
    config = config_files.load_config(options.config, overrides)
    workdir = options.workdir or Path("runs") / Path(options.config.partition(":")[0]).stem
    keep_freed_memory()
    keep_compiled_programs()
    distributed.connect(options.distributed)
    give_devices_threads()
    distributed.assign_roles()
    try:
        train(config, workdir, parse_window(options.profile) if options.profile else range(0))
    except TrainingStopped:
        distributed.disconnect()
        raise
    distributed.disconnect()


if __name__ == "__main__":
    with ended_in_a_line():
        main(sys.argv[1:])
