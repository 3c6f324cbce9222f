"""Encoding in batches of 1 to 4096 pictures, ours against PyTorch where it is installed.

    python -m benchmarks.encode_speed --json=build/encode_speed.json

Pictures are bytes in the host's memory, codes end there. Processes of both take turns; medians over rounds.
"""

import argparse
import importlib.util
from functools import partial

from benchmarks.timing import Spread, child_figures, ratio, take_turns, write_json
from benchmarks.train_speed import shape_arguments
from benchmarks.worker import add_shape_options

BATCHES = (1, 4, 16, 64, 256, 1024, 4096)


def main() -> None:
    """Measures, prints a table, and writes the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, nargs="+", default=BATCHES)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", metavar="FILE")
    add_shape_options(parser)
    parser.set_defaults(seconds=2.0)
    options = parser.parse_args()
    frameworks = ["jax", *(["torch"] if importlib.util.find_spec("torch") else [])]
    works = [f"encode:{batch}" for batch in options.batches]
    arguments = [*shape_arguments(options), "--work", *works]
    variants = {
        name: partial(child_figures, "benchmarks.worker", f"--framework={name}", *arguments) for name in frameworks
    }
    rounds = take_turns(variants, options.rounds)
    report: dict[str, dict[str, Spread]] = {}
    print(f"{'batch':>6}" + "".join(f"{f'{name}, images/s':>32}" for name in frameworks))
    for batch, work in zip(options.batches, works, strict=True):
        row = {name: Spread.of(rounds[name][work]) for name in frameworks}
        print(f"{batch:>6}" + "".join(f"{spread!s:>32}" for spread in row.values()))
        if "torch" in row:
            row["ratio"] = ratio(rounds["jax"][work], rounds["torch"][work])
        report[str(batch)] = row
    write_json(options.json, report)


if __name__ == "__main__":
    main()
