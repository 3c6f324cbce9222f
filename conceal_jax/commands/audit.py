"""What freshly trained attackers read of codes. Writes OUT/report.json and OUT/report.html.

CODES is a folder that `conceal codes` wrote, with a table of labels of the photos, or an .npz with codes or pictures
and labels. Every attribute counts as concealed but those named by --kept.

examples:
  conceal audit codes/ report/ --labels labels.csv --kept smile
  conceal audit codes.npz report/ --folds 5
"""

import argparse

from conceal_jax.commands import arguments
from conceal_jax.commands.exit_codes import ExitCode
from conceal_jax.evaluation.arrays import audit_arrays, audit_file
from conceal_jax.release.jobs.labelled import labelled_codes
from conceal_jax.runtime.compilation_cache import keep_compiled_programs
from conceal_jax.runtime.memory import keep_freed_memory


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.add_argument("codes", metavar="CODES", type=arguments.path, help="folder of codes, or .npz (docs/audit.md)")
    parser.add_argument("out", metavar="OUT", type=arguments.path, help="folder of the report")
    parser.add_argument("--labels", type=arguments.path, help="CSV or JSONL of file names and labels (for a folder)")
    parser.add_argument("--kept", type=arguments.names, default=[], help="attributes not to be hidden: NAME,NAME")
    parser.add_argument("--folds", type=int, default=0, help="judge everyone, in so many folds")
    parser.add_argument("--seed", type=int, default=0, help="of everything random (default: %(default)s)")


def run(options: argparse.Namespace) -> ExitCode:
    """Does what the command says.

    Raises:
        ValueError: the codes or their labels cannot be read, or do not hold what an audit needs.
    """
    if options.codes.is_dir() != (options.labels is not None):
        raise ValueError("give --labels=TABLE with a folder of codes, and without one an .npz that holds its labels")
    keep_freed_memory()
    keep_compiled_programs()
    settings = {"folds": options.folds, "seed": options.seed}
    if options.labels is None:
        print(audit_file(options.codes, options.out, options.kept, **settings))
    else:
        arrays = labelled_codes(options.codes, options.labels)
        print(audit_arrays(arrays, str(options.labels), options.out, options.kept, **settings))
    return ExitCode.DONE
