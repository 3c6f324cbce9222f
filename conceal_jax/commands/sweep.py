"""Trains and audits a sweep over bottlenecks, and draws its curves. Writes OUT/curves.html and OUT/curves.csv.

SWEEP is a shipped name, or a Python file with a get_sweep(). Started again, the same command goes on where it stopped.

examples:
  conceal sweep sweep_demo --out sweeps/demo
  conceal sweep sweep_utkface --out sweeps/utkface --config.data.path=utkface.zip
"""

import argparse

from conceal_jax.commands import arguments
from conceal_jax.commands.exit_codes import ExitCode
from conceal_jax.research.curves import PAGE
from conceal_jax.research.run import run_sweep
from conceal_jax.research.sweep import load_sweep
from conceal_jax.runtime.compilation_cache import keep_compiled_programs
from conceal_jax.runtime.memory import keep_freed_memory
from conceal_jax.runtime.parallel import give_devices_threads


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    arguments.add_overrides(parser)
    parser.add_argument("sweep", metavar="SWEEP", help="a shipped name, or a Python file with a get_sweep()")
    parser.add_argument("--out", metavar="DIR", type=arguments.path, required=True, help="directory of the sweep")


def run(options: argparse.Namespace) -> ExitCode:
    """Does what the command says.

    Raises:
        ValueError: the sweep is not valid, its data cannot be used, or DIR holds another one.
    """
    sweep = load_sweep(options.sweep, options.overrides)
    give_devices_threads()
    keep_freed_memory()
    keep_compiled_programs()
    results = run_sweep(sweep, options.out)
    failed = [result for result in results if result.failure]
    for result in failed:
        print(f"{result.name} failed: {result.failure}")
    print(f"{len(results) - len(failed)} of {len(results)} members; the curves: {options.out / PAGE}")
    if len(failed) == len(results):
        return ExitCode.FAILED
    return ExitCode.SKIPPED if failed else ExitCode.DONE
