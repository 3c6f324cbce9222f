"""Runs of several processes: how they find each other, and what they have to agree on.

Each process reads its own share of the data and all compute every step together; the first one, the leader, writes.
"""

import json
import logging
import os
from typing import Any, Literal

import jax
import numpy as np
from jax.experimental import multihost_utils

logger = logging.getLogger(__name__)

EXPLICIT = ("JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID")
"""Environment variables: where the processes meet (HOST:PORT of the first), how many there are, which this is."""

HEARTBEAT_SECONDS = 40
"""After so long without a sign of life from one process, the others end."""


def connect(mode: Literal["auto", "on", "off"]) -> None:
    """Joins the processes of a run; call before JAX is used for the first time.

    Args:
        mode: "on" joins the processes that the variables in `EXPLICIT` name or, without them, the cluster that JAX
            finds (Slurm, Open MPI, Cloud TPU); "auto" does so only where the environment shows several processes.

    Raises:
        ValueError: "on", and there is nothing to join; or some of the variables are missing or no numbers.
    """
    given = [name for name in EXPLICIT if os.environ.get(name)]
    if mode == "off" or (mode == "auto" and not given and not _several_processes()):
        return
    if given:
        coordinator, count, index = _explicit(given)
        # JAX would otherwise ask a cluster which devices are this process's; here it is all of its host.
        settings: dict[str, Any] = {"cluster_detection_method": "deactivate"}
        settings |= {"coordinator_address": coordinator, "num_processes": count, "process_id": index}
    else:
        settings = {}
    try:
        jax.distributed.initialize(heartbeat_timeout_seconds=HEARTBEAT_SECONDS, **settings)
    except ValueError as error:
        raise ValueError(
            f"--distributed={mode}: no processes to join ({error}); set {', '.join(EXPLICIT)}, start with srun or "
            "mpirun, or leave --distributed out for a run of one process"
        ) from error


def disconnect() -> None:
    """Waits for the other processes to finish, too: none of them may lose the first one before."""
    if jax.distributed.is_initialized():
        jax.distributed.shutdown()


def is_leader() -> bool:
    """Whether this process is the one that writes logs, metrics, reports and pictures."""
    return jax.process_index() == 0


def assign_roles() -> None:
    """Leaves the log to the leader, but for warnings.

    Raises:
        ValueError: there are several processes, as on the hosts of a TPU pod, and `connect` did not join them.
    """
    if jax.process_count() > 1 and not jax.distributed.is_initialized():
        raise ValueError(
            f"this is one of {jax.process_count()} processes, and they are not joined; add --distributed=on"
        )
    if not is_leader():
        logging.getLogger().setLevel(logging.WARNING)
    elif jax.process_count() > 1:
        logger.info("%d processes, %d devices", jax.process_count(), jax.device_count())


def any_process(flag: bool) -> bool:
    """Whether the flag is set in any process; all have to ask, and all get the same answer."""
    if jax.process_count() == 1:
        return flag
    return bool(np.any(multihost_utils.process_allgather(np.asarray(flag))))


def from_every_process(value: Any) -> list[Any]:
    """What each process gives, in their order; all have to give something. The value is one that JSON can hold."""
    if jax.process_count() == 1:
        return [value]
    text = np.frombuffer(json.dumps(value).encode(), np.uint8)
    sizes = np.asarray(multihost_utils.process_allgather(np.int32(len(text))))
    padded = np.zeros(int(sizes.max()), np.uint8)
    padded[: len(text)] = text
    rows = np.asarray(multihost_utils.process_allgather(padded))
    return [json.loads(row[:size].tobytes()) for row, size in zip(rows, sizes, strict=True)]


def _explicit(given: list[str]) -> tuple[str, int, int]:
    missing = [name for name in EXPLICIT if name not in given]
    if missing:
        raise ValueError(f"{', '.join(given)} is set and {', '.join(missing)} is not; set all of them, or none")
    coordinator, count, index = (os.environ[name] for name in EXPLICIT)
    if not (count.isdecimal() and index.isdecimal() and int(index) < int(count) and ":" in coordinator):
        raise ValueError(
            f"{EXPLICIT[0]}={coordinator!r}, {EXPLICIT[1]}={count!r}, {EXPLICIT[2]}={index!r}; "
            "give HOST:PORT, a number of processes, and a number below it"
        )
    return coordinator, int(count), int(index)


def _several_processes() -> bool:
    """Whether a launcher says that it started more than this process; one alone needs no meeting place."""
    environment = os.environ
    # Within a step of Slurm; the batch script itself has SLURM_NTASKS, too, but is not one of the tasks.
    slurm = "SLURM_STEP_NODELIST" in environment and int(environment.get("SLURM_NTASKS", 1)) > 1
    open_mpi = int(environment.get("OMPI_COMM_WORLD_SIZE", 1)) > 1
    tpu = "," in environment.get("TPU_WORKER_HOSTNAMES", "")
    return slurm or open_mpi or tpu
