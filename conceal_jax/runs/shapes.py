"""Arrays by name, compared by shape and type: whether a file holds what a model needs."""

from collections.abc import Mapping

_MENTIONED = 5


def differing_shapes(got: Mapping[str, str], expected: Mapping[str, str]) -> str:
    """The names whose shapes and types differ, in words; empty where none do.

    Args:
        got, expected: such as "float32[3, 4]", by name.
    """
    names = [name for name in sorted({*got, *expected}) if got.get(name) != expected.get(name)]
    shown = (
        f"{name}: got {got.get(name, 'none')}, expected {expected.get(name, 'none')}" for name in names[:_MENTIONED]
    )
    more = [f"and {len(names) - _MENTIONED} more"] if len(names) > _MENTIONED else []
    return "; ".join([*shown, *more])
