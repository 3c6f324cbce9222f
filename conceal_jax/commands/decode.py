"""Pictures of codes, under any attributes.

examples:
  conceal decode codes/ neutral/ --model runs/utkface
  conceal decode codes/ asked/ --model runs/utkface --as "gender=female,age=40"
"""

import argparse
import logging
from concurrent.futures import ThreadPoolExecutor

from tqdm import tqdm

from conceal_jax.commands import arguments
from conceal_jax.commands.exit_codes import ExitCode
from conceal_jax.release.concealer import Concealer
from conceal_jax.release.jobs.pipeline import default_workers
from conceal_jax.release.jobs.shards import read_codes, read_manifest
from conceal_jax.release.photos import write_picture
from conceal_jax.runtime.json_files import named_errors
from conceal_jax.runtime.memory import keep_freed_memory

logger = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.add_argument("codes", metavar="CODES", type=arguments.path, help="folder that `conceal codes` wrote")
    parser.add_argument("out", metavar="OUT", type=arguments.path, help="folder of the pictures")
    parser.add_argument(
        "--model",
        metavar="RUN",
        type=arguments.path,
        required=True,
        help="run directory, or exported folder, that made the codes",
    )
    parser.add_argument(
        "--as", dest="request", default="neutral", help='attributes to show, such as "age=40"; the rest stays neutral'
    )


def run(options: argparse.Namespace) -> ExitCode:
    """Does what the command says.

    Raises:
        ValueError: the codes cannot be read, are another model's, or the request cannot be met.
    """
    keep_freed_memory()
    manifest = read_manifest(options.codes)
    with named_errors(options.codes):
        model, complete, count = str(manifest["model"]), bool(manifest["complete"]), int(manifest["count"])
    concealer = Concealer.load(options.model)
    vector = concealer.attributes.parse(options.request)
    if model != concealer.model_hash:
        raise ValueError(
            f"the codes in {options.codes} were made by another model than {options.model} "
            f"({model[:12]}, not {concealer.model_hash[:12]}); give the run that made them"
        )
    if not complete:
        logger.warning("%s is not complete; what is there is decoded", options.codes)
    with (
        ThreadPoolExecutor(default_workers()) as pool,
        tqdm(total=count, unit="img", disable=None) as bar,
    ):
        for names, codes in read_codes(options.codes):
            paths = [options.out / f"{name}.png" for name in names]
            # The list raises what a thread has raised.
            list(pool.map(write_picture, paths, concealer.decode(codes, vector)))
            bar.update(len(names))
    print(f"{count} pictures in {options.out}")
    return ExitCode.DONE
