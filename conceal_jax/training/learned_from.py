"""Whom a run has learned from, so that none of them is judged as if they were new to it."""

import logging
from pathlib import Path

import numpy as np

from conceal_jax import atomic
from conceal_jax.data.collection import Collection
from conceal_jax.json_files import told_of
from conceal_jax.training import run_directory

logger = logging.getLogger(__name__)


def remember(workdir: Path, people: Collection) -> None:
    """Adds people to those the run has learned from."""
    path = workdir / run_directory.LEARNED_FROM
    known = np.union1d(_read(path), people.identity) if path.exists() else np.unique(people.identity)
    atomic.write_text(path, "".join(f"{number:016x}\n" for number in known.tolist()))


def require_new(workdir: Path, people: Collection) -> None:
    """Checks that the run has learned from none of these people.

    Raises:
        ValueError: it has; says from how many.
    """
    path = workdir / run_directory.LEARNED_FROM
    if not path.exists():
        logger.warning(
            "%s does not say whom it learned from (a run of an earlier version): where its data gives no split, "
            "those judged may be among them",
            workdir,
        )
        return
    known = np.flatnonzero(np.isin(people.identity, _read(path)))
    if len(known):
        raise ValueError(
            f"{workdir} has learned from {len(known)} of the {len(people)} people that are for validation now, such as "
            f"{people.names[known[0]]}: the pictures or their split were changed since; restore them, or train anew"
        )


def _read(path: Path) -> np.ndarray:
    with told_of(path):
        return np.asarray([int(line, 16) for line in path.read_text(encoding="utf-8").split()], np.uint64)
