"""JSON files that this software wrote, and that somebody may have changed or cut off since."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file.

    Raises:
        ValueError: it holds none; names the file.
    """
    with named_errors(path):
        tree = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(tree, dict):
            raise ValueError(f"a JSON object was expected, and it holds a {type(tree).__name__}")
    return tree


@contextlib.contextmanager
def named_errors(path: Path) -> Iterator[None]:
    """Turns what a file of another form than expected makes Python raise into a `ValueError` that names the file."""
    try:
        yield
    except (ValueError, ArithmeticError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(
            f"{path} is damaged or was changed ({type(error).__name__}: {error}); make it again"
        ) from error
