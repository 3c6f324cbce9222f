"""Shards of codes of a folder or zip of photos, and their manifest.

Codes have names that reveal nothing; OUT.private/mapping.csv says which is whose, and is not to be handed on. Killed or
stopped, the same command goes on; with --key-file the result is the same, byte for byte, as if nothing had happened.

examples:
  conceal codes album.zip codes/ --model runs/utkface
  conceal codes album/ codes/ --model runs/utkface --key-file secret.key --format=parquet
  conceal codes album/ codes/ --model runs/utkface --part=1/2    # and, elsewhere or beside it, --part=2/2
"""

import argparse
from functools import partial

from conceal_jax.commands.collection import add_collection_arguments, run_collection
from conceal_jax.commands.exit_codes import ExitCode
from conceal_jax.release.jobs.collection import encode_collection, shard_file
from conceal_jax.release.jobs.shards import FORMATS, require_format


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    add_collection_arguments(parser, shard_size=4096)
    parser.add_argument("--format", choices=FORMATS, default="npz", help="of the shards (default: %(default)s)")


def run(options: argparse.Namespace) -> ExitCode:
    """Does what the command says."""
    require_format(options.format)
    return run_collection(
        options,
        {"kind": "codes", "format": options.format},
        partial(encode_collection, kind=options.format),
        shard_name=partial(shard_file, kind=options.format),
    )
