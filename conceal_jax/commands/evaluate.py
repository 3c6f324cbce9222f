"""Audits a run: what freshly trained attackers read of its codes and pictures. Writes RUN/report/.

With --folds, attackers learn from validation people alone, and the report is RUN/report-folds/. With --codes, anybody's
codes or pictures are audited; docs/audit.md describes the file.

examples:
  conceal evaluate --workdir=runs/utkface
  conceal evaluate --workdir=runs/utkface --folds=5
  conceal evaluate --codes=codes.npz --out=report/ --kept=smile
"""

import argparse

from conceal_jax.commands import arguments
from conceal_jax.commands.exit_codes import ExitCode
from conceal_jax.evaluation.arrays import audit_file
from conceal_jax.evaluation.evaluate import cross_fit_run, evaluate_run
from conceal_jax.runtime.compilation_cache import keep_compiled_programs
from conceal_jax.runtime.memory import keep_freed_memory


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    audited = parser.add_mutually_exclusive_group(required=True)
    audited.add_argument("--workdir", type=arguments.path, help="run directory that `conceal train` wrote")
    audited.add_argument("--codes", type=arguments.path, help=".npz with codes or pictures, and labels")
    parser.add_argument("--out", type=arguments.path, help="folder of the report (with --codes)")
    parser.add_argument("--kept", type=arguments.names, help="attributes not to be hidden: NAME,NAME (with --codes)")
    parser.add_argument("--folds", type=int, default=0, help="judge everyone, in so many folds")
    parser.add_argument("--seed", type=int, help="of everything random (with --codes; default: 0)")


def check_arguments(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """A wrong combination ends the process with a message."""
    if options.codes and not options.out:
        parser.error("--codes needs --out=DIR, the folder of the report")
    if options.workdir and (options.out or options.kept or options.seed is not None):
        parser.error("--out, --kept and --seed go with --codes; a run has its own")


def run(options: argparse.Namespace) -> ExitCode:
    """Does what the command says.

    Raises:
        ValueError: there is no trained run, or the file does not hold what an audit needs.
    """
    keep_freed_memory()
    keep_compiled_programs()
    if options.codes:
        settings = {"folds": options.folds, "seed": options.seed or 0}
        print(audit_file(options.codes, options.out, options.kept or [], **settings))
    elif options.folds:
        print(cross_fit_run(options.workdir, options.folds))
    else:
        print(evaluate_run(options.workdir))
    return ExitCode.DONE
