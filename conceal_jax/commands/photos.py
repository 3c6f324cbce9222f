"""Concealed pictures of a folder or zip of photos.

Pictures are PNGs of pixels alone, with names that reveal nothing; OUT.private/mapping.csv says which is which,
and is not to be handed on. Killed or stopped, the same command goes on; with --key-file the result is the same, byte
for byte, as if nothing had happened.

examples:
  conceal photos album.zip concealed/ --model runs/utkface
  conceal photos album/ older/ --model runs/utkface --as "gender=female,age=70" --crop=face
"""

import argparse
from functools import partial

from conceal_jax.commands.collection import add_collection_arguments, run_collection
from conceal_jax.commands.exit_codes import ExitCode
from conceal_jax.release.jobs.collection import conceal_collection


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    add_collection_arguments(parser, shard_size=1024)
    parser.add_argument(
        "--as", dest="request", default="neutral", help='attributes to show, such as "age=40"; the rest stays neutral'
    )


def run(options: argparse.Namespace) -> ExitCode:
    """Does what the command says."""
    return run_collection(
        options,
        {"kind": "pictures", "attributes": options.request},
        partial(conceal_collection, request=options.request),
        check=lambda concealer: concealer.attributes.parse(options.request),
    )
