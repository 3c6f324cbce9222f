"""Whom a run has learned from, so that none of them is judged as if they were new to it."""

import logging
from pathlib import Path

import numpy as np

from conceal_jax.data.collection import Collection
from conceal_jax.runs import run_directory
from conceal_jax.runtime import atomic
from conceal_jax.runtime.json_files import named_errors

logger = logging.getLogger(__name__)


def remember(workdir: Path, people: Collection, validation: Collection) -> None:
    """Adds people to those the run has learned from, but for files that the source itself has on both sides."""
    path = workdir / run_directory.LEARNED_FROM
    known = np.setdiff1d(people.identity, validation.identity)
    if path.exists():
        known = np.union1d(known, _read(path)[1])
    lines = [people.identified_by, *(f"{number:016x}" for number in known.tolist())]
    atomic.write_text(path, "\n".join(lines) + "\n")


def require_new(workdir: Path, people: Collection) -> None:
    """Checks that the run has learned from none of these people.

    Raises:
        ValueError: it has, or that is no longer known; says from how many.
    """
    path = workdir / run_directory.LEARNED_FROM
    if not path.exists():
        logger.warning(
            "%s does not say whom it learned from (a run of an earlier version): where its data gives no split, "
            "those judged may be among them",
            workdir,
        )
        return
    identified_by, learned = _read(path)
    if identified_by != people.identified_by:
        raise ValueError(
            f"{workdir} knows whom it learned from by {identified_by}, and {people.report.origin} is divided by "
            f"{people.identified_by} now: its splits were changed since (is the table that gives them still there?); "
            "restore them, or train anew"
        )
    known = np.flatnonzero(np.isin(people.identity, learned))
    if len(known):
        raise ValueError(
            f"{workdir} has learned from {len(known)} of the {len(people)} people that are for validation now, such as "
            f"{people.names[known[0]]}: the pictures or their split were changed since; restore them, or train anew"
        )


def _read(path: Path) -> tuple[str, np.ndarray]:
    with named_errors(path):
        identified_by, *numbers = path.read_text(encoding="utf-8").split()
        return identified_by, np.asarray([int(number, 16) for number in numbers], np.uint64)
