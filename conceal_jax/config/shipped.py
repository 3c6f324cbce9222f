"""Where configurations are: files of the user's, or those that are shipped, by name."""

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).parents[1]


def folder() -> Path:
    """Where the shipped configurations are: in the package when it is installed, beside it in a checkout."""
    installed = PACKAGE / "configs"
    return installed if installed.is_dir() else PACKAGE.parent / "configs"


def find(name: str) -> Path:
    """The file of a configuration or sweep.

    Args:
        name: of a shipped one, such as "demo", or the path of a Python file.

    Raises:
        ValueError: there is no such file.
    """
    for file in (Path(name).expanduser(), folder() / f"{name}.py"):
        if file.is_file():
            return file
    shipped = ", ".join(sorted(file.stem for file in folder().glob("*.py")))
    raise ValueError(f"no configuration {name!r}; give the path of a Python file, or the name of one of {shipped}")


def read_function(name: str, function: str, returns: str) -> Callable[[], Any]:
    """A function that the file of a configuration or sweep has to define.

    Args:
        name: as for `find`.
        function: the function's name.
        returns: what it has to return, for the message.

    Raises:
        ValueError: there is no such file, or it does not define the function.
    """
    file = find(name)
    found = runpy.run_path(str(file)).get(function)
    if found is None:
        raise ValueError(f"{file} defines no {function}(); it must return a {returns}")
    return found
