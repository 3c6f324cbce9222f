"""Keeping compiled programs from one start to the next."""

import logging
import os
import stat
from pathlib import Path
from typing import Any

import jax

logger = logging.getLogger(__name__)


def keep_compiled_programs() -> None:
    """Has JAX find again what an earlier process compiled, in a folder of the user's own; call before JAX compiles.

    Compiling a training step takes about as long as the first hundred steps. JAX's own settings go before:
    `JAX_COMPILATION_CACHE_DIR=DIR` keeps the programs elsewhere, `JAX_ENABLE_COMPILATION_CACHE=false` keeps none. The
    folder may be deleted at any time.
    """
    settings: Any = jax.config
    if settings.jax_compilation_cache_dir or not settings.jax_enable_compilation_cache:
        return
    try:
        folder = _private_folder()
    except (OSError, RuntimeError) as error:
        logger.warning("compiled programs are not kept: %s", error)
        return
    jax.config.update("jax_compilation_cache_dir", str(folder))
    # The default of a second leaves out what takes half of a warm start: many programs, each compiled in less.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)


def _private_folder() -> Path:
    """The folder, made if missing; see the XDG Base Directory Specification.

    Raises:
        PermissionError: what is found in it would be run, and others than this user can have put it there.
        OSError, RuntimeError: there is no place for it.
    """
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    folder = (base if base.is_absolute() else Path.home() / ".cache") / "conceal_jax" / "programs"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Windows has no such owners and modes; a profile's folders are its user's own there.
    if hasattr(os, "getuid"):
        for path in (folder, folder.parent):
            found = path.stat()
            if found.st_uid != os.getuid() or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
                raise PermissionError(
                    f"{path} belongs to another user or can be written by others; delete it, or make it yours alone "
                    f"(chmod 700), or name another folder by JAX_COMPILATION_CACHE_DIR"
                )
    return folder
