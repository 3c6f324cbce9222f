"""Audits a trained run, or anybody's codes or pictures.

python evaluate.py --workdir=RUN                       writes RUN/report/
python evaluate.py --workdir=RUN --folds=5             writes RUN/report-folds/: attackers learn from validation people
python evaluate.py --codes=FILE.npz --out=DIR          writes DIR/; the file is described in docs/audit.md
"""

import argparse
import logging
import sys
from pathlib import Path

from conceal_jax.evaluation.arrays import audit_file
from conceal_jax.evaluation.evaluate import cross_fit_run, evaluate_run
from conceal_jax.runtime.compilation_cache import keep_compiled_programs
from conceal_jax.runtime.interrupt import ended_in_a_line
from conceal_jax.runtime.logs import configure_logging
from conceal_jax.runtime.memory import keep_freed_memory


def parse_arguments(arguments: list[str]) -> argparse.Namespace:
    """The options of the command line; a wrong combination ends the program with a message."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--workdir", type=Path, help="run directory that train.py wrote")
    what.add_argument("--codes", type=Path, help=".npz with codes or pictures, and labels")
    parser.add_argument("--out", type=Path, help="directory of the report (with --codes)")
    parser.add_argument("--kept", default="", help="attributes that are not to be hidden, as NAME,NAME (with --codes)")
    parser.add_argument("--folds", type=int, default=0, help="judge everyone, in so many folds")
    parser.add_argument("--seed", type=int, help="of everything random (with --codes; default: 0)")
    options = parser.parse_args(arguments)
    if options.codes and not options.out:
        parser.error("--codes needs --out=DIR, the directory of the report")
    if options.workdir and (options.out or options.kept or options.seed is not None):
        parser.error("--out, --kept and --seed go with --codes; a run has its own")
    return options


def main(arguments: list[str]) -> None:
    """Runs the command line."""
    options = parse_arguments(arguments)
    configure_logging()
    keep_freed_memory()
    keep_compiled_programs()
    if options.codes:
        kept = [name.strip() for name in options.kept.split(",") if name.strip()]
        summary = audit_file(options.codes, options.out, kept, folds=options.folds, seed=options.seed or 0)
    elif options.folds:
        summary = cross_fit_run(options.workdir, options.folds)
    else:
        summary = evaluate_run(options.workdir)
    logging.info("the report is written")
    print(summary)


if __name__ == "__main__":
    with ended_in_a_line():
        main(sys.argv[1:])
