"""Keeping freed memory in the process, and giving it back."""

import ctypes
import os
import platform

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4
"""Parameters of mallopt, from glibc's malloc.h."""

SWITCH = "CONCEAL_JAX_KEEP_MEMORY"
"""Environment variable; with 0 the allocator is left as it is."""


def keep_freed_memory() -> None:
    """Makes glibc keep freed memory instead of giving it back to the system; call before JAX allocates.

    Each training step on a CPU allocates and frees its temporaries. Given back, they are mapped again, page fault by
    page fault, at the next step: a fifth of a step on two cores. Elsewhere than with glibc nothing happens, nor
    where `CONCEAL_JAX_KEEP_MEMORY=0` asks for that.

    Threads have arenas of their own still, since XLA's would wait for each other in a common one: a fifth of a step.
    What is larger than such an arena, 64 MiB in one piece, is mapped anew each time.
    """
    if platform.libc_ver()[0] != "glibc" or os.environ.get(SWITCH) == "0":
        return
    libc = ctypes.CDLL(None)
    for parameter, value in ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, -1), (_M_TOP_PAD, 256 << 20)):
        libc.mallopt(parameter, value)


def give_back_freed_memory() -> None:
    """Gives what is free now back to the system: after work that took much more memory than training will."""
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)
