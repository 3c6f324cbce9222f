"""The audit of anybody's codes or pictures."""

import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from conceal_jax.audit.audit import audit
from conceal_jax.audit.examples import draw_folds
from conceal_jax.audit.release import Release
from conceal_jax.audit.release_file import parse_release, read_arrays
from conceal_jax.audit.report.assemble import assemble
from conceal_jax.audit.report.html_report import write_folder
from conceal_jax.audit.report.schema import Certificates, Context, People, Refusal
from conceal_jax.audit.settings import Settings

logger = logging.getLogger(__name__)

UNKNOWN_RELEASE = "how the release is made is not known to an audit of its numbers"


def audit_file(path: Path, out: Path, kept: Sequence[str] = (), *, folds: int = 0, seed: int = 0) -> str:
    """Audits anybody's codes or pictures, from an `.npz` (`conceal_jax.audit.release_file`); see `audit_arrays`."""
    return audit_arrays(read_arrays(path), str(path), out, kept, folds=folds, seed=seed)


def audit_arrays(
    arrays: Mapping[str, np.ndarray], origin: str, out: Path, kept: Sequence[str] = (), *, folds: int = 0, seed: int = 0
) -> str:
    """Audits anybody's codes or pictures and writes a report.

    Args:
        arrays: codes or pictures, and labels, by name (`conceal_jax.audit.release_file`).
        origin: the file they are from, for messages.
        out: directory of the report.
        kept: attributes that are not to be hidden.
        folds: where above 0, everyone is judged, by attackers that learn from the other folds; otherwise the file's
            test part or, if it has no split, a third of the people drawn at random.
        seed: of everything random.

    Returns:
        A one-screen summary.

    Raises:
        ValueError: the arrays do not hold what an audit needs.
    """
    start = time.perf_counter()
    if folds:
        require_folds(folds)
    release, attributes, is_test = parse_release(arrays, origin, kept)
    train, test = (release, release) if folds else _parts(release, is_test, seed)
    found = audit(train, test, attributes, settings=Settings(seed=seed, folds=folds, progress=logger.info))
    context = Context(People(len(train), len(test)), seed, time.perf_counter() - start, folds)
    refused = tuple(Refusal(spec.name, UNKNOWN_RELEASE) for spec in attributes.concealed)
    return write_folder(out, assemble(found, context, {}, Certificates(refused=refused)), {})


def require_folds(folds: int) -> None:
    """Raises ValueError unless there are two or more."""
    if folds < 2:
        raise ValueError(f"got {folds} folds; give 2 or more, such as 5")


def _parts(release: Release, is_test: np.ndarray | None, seed: int) -> tuple[Release, Release]:
    """The people that attackers learn from and those that they are judged on; no one is in both."""
    if is_test is None:
        part = draw_folds(len(release), release.people, 3, seed)[0]
        is_test = np.isin(np.arange(len(release)), part)
    return release.take(np.flatnonzero(~is_test)), release.take(np.flatnonzero(is_test))
