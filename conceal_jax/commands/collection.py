"""What `conceal photos` and `conceal codes` have in common: a collection goes in, a job is done, files are skipped."""

import argparse
import dataclasses
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from conceal_jax.commands import arguments
from conceal_jax.commands.exit_codes import ExitCode
from conceal_jax.data.archive import Archive, open_archive
from conceal_jax.release.concealer import Concealer
from conceal_jax.release.faces import require_detector
from conceal_jax.release.jobs.collection import Work, describe
from conceal_jax.release.jobs.job import SKIPPED, open_job
from conceal_jax.release.jobs.pipeline import default_workers
from conceal_jax.release.noise import check_key
from conceal_jax.runtime.interrupt import StopRequest
from conceal_jax.runtime.memory import keep_freed_memory

logger = logging.getLogger(__name__)

_LISTED = 20
"""Skipped files that are named on the terminal; all of them are in a file."""


def add_collection_arguments(parser: argparse.ArgumentParser, shard_size: int) -> None:
    """The arguments of a command that takes a collection."""
    parser.add_argument(
        "collection", metavar="IN", type=arguments.path, help="folder (with all folders in it) or zip of photos"
    )
    parser.add_argument(
        "out", metavar="OUT", type=arguments.path, help="folder of the result; OUT.private beside it holds names"
    )
    parser.add_argument(
        "--model",
        metavar="RUN",
        type=arguments.path,
        required=True,
        help="run directory that `conceal train` wrote, or exported folder",
    )
    parser.add_argument(
        "--crop",
        choices=("none", "center", "face"),
        default="center",
        help="photos that are not square: squeeze them, cut the longer side (default), or cut out the one face",
    )
    parser.add_argument(
        "--key-file", type=arguments.path, help="a secret: a photo then gets the same noise and name every time"
    )
    parser.add_argument("--keep-names", action="store_true", help="name results like their photos; names may reveal")
    parser.add_argument(
        "--part",
        type=_part,
        default=(1, 1),
        metavar="I/N",
        help="do the I-th of N parts; other processes do the rest",
    )
    parser.add_argument(
        "--shard-size", type=_positive, default=shard_size, help="photos that a kill can cost (default: %(default)s)"
    )
    parser.add_argument("--workers", type=_positive, default=default_workers(), help="threads (default: %(default)s)")


def run_collection(
    options: argparse.Namespace,
    settings: Mapping[str, Any],
    do: Callable[[Work], None],
    *,
    shard_name: Callable[[int], str] | None = None,
    check: Callable[[Concealer], object] = lambda concealer: None,
) -> ExitCode:
    """Does, or goes on with, this process's part of a job.

    Args:
        options: of `add_collection_arguments`.
        settings: what else the result depends on; goes into the manifest.
        do: does the work.
        shard_name: of a shard's file in the output, where shards have files.
        check: raises ValueError where the run cannot do what is asked.

    Raises:
        ValueError: an option cannot be met.
    """
    keep_freed_memory()
    key = check_key(options.key_file.read_bytes().rstrip(b"\r\n")) if options.key_file else None
    if options.crop == "face":
        require_detector()
    if options.out.resolve().is_relative_to(options.collection.resolve()):
        raise ValueError(
            f"{options.out} lies in {options.collection}, whose photos it is made of; choose another output"
        )
    archive = _open_collection(str(options.collection))
    concealer = Concealer.load(options.model)
    check(concealer)
    job = open_job(
        options.out,
        archive.pictures,
        {**settings, **describe(concealer, options.crop, key)},
        shard_size=options.shard_size,
        key=key,
        keep_names=options.keep_names,
    )
    part, parts = options.part
    total = sum(map(len, job.shards[part - 1 :: parts]))
    todo = sum(len(job.shards[shard]) for shard in job.remaining(part, parts))
    # disable=None: no bar unless standard error is a terminal.
    bar = tqdm(total=total, initial=total - todo, unit="img", disable=None)
    with StopRequest() as stop, logging_redirect_tqdm(), bar:
        work = Work(job, archive, concealer, options.crop, key, part, parts, options.workers)
        do(dataclasses.replace(work, advance=bar.update, is_stopping=lambda: stop.requested))
    names = {shard: shard_name(shard) for shard in range(len(job.shards))} if shard_name else {}
    manifest = job.write_manifest(names)
    return _report(options.out, manifest, job.skipped(), job.private / SKIPPED, bool(job.remaining(part, parts)))


def _open_collection(path: str) -> Archive:
    archive = open_archive(path)
    others = set(archive.paths) - set(archive.pictures)
    if others:
        suffixes = Counter(PurePosixPath(name).suffix.lower() or "no suffix" for name in others)
        kinds = ", ".join(f"{count} {suffix}" for suffix, count in suffixes.most_common())
        logger.info("not looked at, as their names are not those of pictures: %s", kinds)
    if not archive.pictures:
        raise ValueError(f"no pictures in {path}; give a folder or zip with .jpg, .png or other files of that kind")
    return archive


def _report(
    out: Path, manifest: Mapping[str, Any], skipped: list[tuple[str, str]], listed: Path, stopped: bool
) -> ExitCode:
    for source, reason in skipped[:_LISTED]:
        logger.warning("skipped %s: %s", source, reason)
    if len(skipped) > _LISTED:
        logger.warning("skipped %d more; all of them are listed in %s", len(skipped) - _LISTED, listed)
    whole = "complete" if manifest["complete"] else "not complete"
    print(f"{out} is {whole}: {manifest['count']} of {manifest['found']} done, {len(skipped)} skipped")
    if stopped:
        logger.info("stopped; the same command goes on from there")
        return ExitCode.INTERRUPTED
    return ExitCode.SKIPPED if skipped else ExitCode.DONE


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"got {text}; give 1 or more")
    return number


def _part(text: str) -> tuple[int, int]:
    part, slash, parts = text.partition("/")
    if not (slash and part.isdecimal() and parts.isdecimal() and 1 <= int(part) <= int(parts)):
        raise argparse.ArgumentTypeError(f"got {text!r}; write I/N, such as 2/4 for the second of four parts")
    return int(part), int(parts)
