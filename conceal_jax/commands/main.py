"""Photos in, codes and concealed pictures out.

examples:
  conceal photos album.zip concealed/ --model runs/utkface
  conceal photos album/ older/ --model runs/utkface --as "age=70" --crop=face
  conceal codes album/ codes/ --model runs/utkface --key-file secret.key
  conceal decode codes/ pictures/ --model runs/utkface --as "gender=female,age=40"
  conceal COMMAND --help

exit status: 0 done, 1 failed, 2 wrong command line, 3 done but some files were skipped, 130 interrupted
"""

import argparse
import importlib
import logging
import sys
from collections.abc import Sequence

from conceal_jax.commands.exit_codes import ExitCode
from conceal_jax.runtime.logs import configure_logging
from conceal_jax.version import __version__

COMMANDS = {
    "photos": "a folder or zip of photos to concealed pictures",
    "codes": "a folder or zip of photos to shards of codes",
    "decode": "codes to pictures, under any attributes",
    "audit": "what attackers read of codes",
    "export": "a run to a folder to hand on: safetensors, StableHLO, ONNX, model card",
    "serve": "a page on this machine: a photo beside its concealed picture",
    "card": "the model card of a run",
    "doctor": "versions and devices; times one training step",
    "runs": "what the runs in a folder are and have come to",
    "sweep": "rate, leakage and distortion of many bottlenecks, as curves",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit status."""
    command, rest = _parse_command(arguments)
    module = importlib.import_module(f"conceal_jax.commands.{command}")
    parser = argparse.ArgumentParser(
        f"conceal {command}", description=module.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    module.add_arguments(parser)
    options = parser.parse_args(rest)
    configure_logging()
    logging.captureWarnings(True)
    try:
        return int(module.run(options))
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return ExitCode.FAILED
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return ExitCode.INTERRUPTED


def _parse_command(arguments: Sequence[str] | None) -> tuple[str, list[str]]:
    commands = "\n".join(f"  {name:<8}{text}" for name, text in COMMANDS.items())
    parser = argparse.ArgumentParser(
        "conceal",
        description=f"{__doc__}\ncommands:\n{commands}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage="conceal COMMAND ...",
    )
    parser.add_argument("--version", action="version", version=f"conceal_jax {__version__}")
    parser.add_argument("command", choices=COMMANDS, help=argparse.SUPPRESS)
    parser.add_argument("rest", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    return options.command, options.rest


if __name__ == "__main__":
    sys.exit(main())
