"""Audits a trained run: `python evaluate.py --workdir=RUN` writes RUN/report/ (report.json, report.html, pictures)."""

import argparse
import logging
import sys
from pathlib import Path

from conceal_jax.evaluation import evaluate_run
from conceal_jax.logs import configure_logging
from conceal_jax.memory import keep_freed_memory


def main(arguments: list[str]) -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workdir", type=Path, required=True, help="run directory that train.py wrote")
    options = parser.parse_args(arguments)
    configure_logging()
    keep_freed_memory()
    summary = evaluate_run(options.workdir)
    logging.info("report: %s", options.workdir / "report" / "report.html")
    print(summary)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except ValueError as error:
        sys.exit(f"error: {error}")
