"""A page on this machine: drop a photo, see it concealed, choose attributes, see what attackers read.

Needs the extra [page]. Photos stay in memory, and nothing leaves this machine. Attackers learn from the run's pictures
when the page starts, if they are where training found them.

examples:
  conceal serve runs/utkface
  conceal serve utkface-model/ --crop=face --port=8000
"""

import argparse
import logging

from conceal_jax.commands import arguments
from conceal_jax.commands.exit_codes import ExitCode
from conceal_jax.evaluation.people import draw_training
from conceal_jax.evaluation.release import release_of
from conceal_jax.release.concealer import Concealer
from conceal_jax.release.export.export import is_export
from conceal_jax.release.faces import require_detector
from conceal_jax.release.page.page import LOOPBACK, Desk, require_page, serve
from conceal_jax.release.page.readers import Readers, fit_readers
from conceal_jax.runtime.compilation_cache import keep_compiled_programs
from conceal_jax.runtime.memory import keep_freed_memory

logger = logging.getLogger(__name__)

_PEOPLE = 6000
"""That attackers learn from: enough for a fair idea of what is read, in well under a minute."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.add_argument("run", metavar="RUN", type=arguments.path, help="run directory, or exported folder")
    parser.add_argument(
        "--crop", choices=("none", "center", "face"), default="center", help="as for `conceal photos` (default: center)"
    )
    parser.add_argument("--port", type=int, default=7860, help="(default: %(default)s)")


def run(options: argparse.Namespace) -> ExitCode:
    """Does what the command says.

    Raises:
        ValueError: there is no trained run, or an extra is not installed.
    """
    require_page()
    if options.crop == "face":
        require_detector()
    keep_freed_memory()
    keep_compiled_programs()
    concealer = Concealer.load(options.run, batch_size=1)
    readers, reason = _fit(concealer, is_export(options.run))
    print(f"http://{LOOPBACK}:{options.port} (Ctrl-C ends it)")
    serve(Desk(concealer, options.crop, readers, reason), options.port)
    return ExitCode.DONE


def _fit(concealer: Concealer, exported: bool) -> tuple[Readers | None, str]:
    """Attackers, or why there are none."""
    # Those of a public set would be fetched from elsewhere.
    if exported and concealer.run.config.data.source != "synthetic":
        return None, "the run's pictures cannot be read (an exported model does not say where they are)"
    try:
        logger.info("fitting attackers")
        people = draw_training(concealer.run, _PEOPLE)
        return fit_readers(release_of(concealer.run, people), concealer.attributes), ""
    except (ValueError, ImportError) as error:
        logger.warning("no attackers: %s", error)
        return None, f"the run's pictures cannot be read ({error})"
