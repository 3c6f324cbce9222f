"""The run directory: where a run keeps its configuration, attributes, checkpoints, metrics and pictures."""

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from conceal_jax.config import Config
from conceal_jax.config import files as config_files

CONFIG = "config.json"
ATTRIBUTES = "attributes.json"
PARAMETERS = "parameters.safetensors"
CHECKPOINTS = "checkpoints"
DATA_REPORT = "data_report.json"
LEARNED_FROM = "learned_from.txt"
"""Numbers of the training people, of `Collection.identity`."""

METRICS = "metrics.jsonl"
PICTURES = "pictures"
PROFILE = "profile"
REPORT = "report"
REPORT_FOLDS = "report-folds"
LOCK = ".lock"


def open_run(config: Config, workdir: Path) -> None:
    """Makes the directory, or checks that the run in it has this very configuration.

    Raises:
        ValueError: another configuration was trained here; the message names the fields that differ.
    """
    path = workdir / CONFIG
    if path.exists():
        differing = config_files.differences(config_files.load(path), config)
        if differing:
            fields = "; ".join(f"{name}: there {old!r}, now {new!r}" for name, (old, new) in differing.items())
            raise ValueError(
                f"{workdir} holds a run with another configuration ({fields}); "
                "give another --workdir, or the configuration of that run to go on with it"
            )
    workdir.mkdir(parents=True, exist_ok=True)


@contextlib.contextmanager
def held(workdir: Path) -> Iterator[None]:
    """Keeps other processes from writing to the directory. The system lets go of it when this process ends, however.

    Raises:
        ValueError: another process holds it.
    """
    try:
        import fcntl
    except ImportError:  # Windows has no such locks.
        yield
        return
    with (workdir / LOCK).open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise ValueError(
                f"{workdir} is in use by {file.read().strip() or 'another process'}; wait for it, stop it, or "
                "choose another directory"
            ) from None
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}")
        file.flush()
        yield
