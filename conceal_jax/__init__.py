"""Conceal attributes in images: codes and pictures of faces that no longer reveal what must be hidden."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from conceal_jax.version import __version__

if TYPE_CHECKING:
    from conceal_jax.release.concealer import Concealer

__all__ = ["Concealer", "__version__"]


def __getattr__(name: str) -> Any:
    """Loads `Concealer`, and JAX with it, on first use."""
    if name != "Concealer":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return import_module("conceal_jax.release.concealer").Concealer
