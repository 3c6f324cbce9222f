"""Arguments that several commands take: paths, lists of names, and overrides of the configuration."""

import argparse
from collections.abc import Sequence
from pathlib import Path


def path(text: str) -> Path:
    """A path; a leading ~ is the home directory, which shells leave alone behind an equals sign."""
    return Path(text).expanduser()


def names(text: str) -> list[str]:
    """The names in "NAME,NAME"."""
    return [name.strip() for name in text.split(",") if name.strip()]


def add_overrides(parser: argparse.ArgumentParser) -> None:
    """Says that a command takes --config.FIELD=VALUE; `parse_arguments` reads them into `overrides`."""
    parser.set_defaults(overrides={})
    parser.epilog = "any field of the configuration can be set: --config.model.latent_dim=64"


def parse_arguments(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> argparse.Namespace:
    """The options of a command; a wrong command line ends the process with status 2."""
    options, rest = parser.parse_known_args(arguments)
    takes_overrides = hasattr(options, "overrides")
    for argument in rest:
        name, equals, value = argument.partition("=")
        if not (takes_overrides and name.startswith("--config.") and equals):
            besides = ", besides --config.FIELD=VALUE" if takes_overrides else ""
            parser.error(f"unknown argument {argument}; --help lists those there are{besides}")
        value = str(path(value)) if value.startswith("~") else value
        options.overrides[name.removeprefix("--config.")] = value
    return options
