"""Rates of repeated work, their medians and spread, and processes that take turns."""

import dataclasses
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

Work = Callable[[int], Any]
"""Does something so many times over, and returns once it is done."""

ROOT = Path(__file__).parents[1]


@dataclasses.dataclass(frozen=True)
class Spread:
    """What several rounds measured."""

    median: float
    low: float
    high: float
    rounds: int

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Of one figure a round."""
        return cls(statistics.median(values), min(values), max(values), len(values))

    def __str__(self) -> str:
        return f"{self.median:,.4g} ({self.low:,.4g} to {self.high:,.4g})"


def rate(work: Work, seconds: float) -> float:
    """How often work is done in a second, measured over about so many seconds; the first two times do not count."""
    work(2)
    start = time.perf_counter()
    work(1)
    once = time.perf_counter() - start
    count = max(1, round(seconds / once))
    start = time.perf_counter()
    work(count)
    return count / (time.perf_counter() - start)


def child_figures(module: str, *arguments: object) -> dict[str, float]:
    """The figures that a fresh Python process prints as its last line, in JSON.

    Raises:
        RuntimeError: the process failed; its own message went to the terminal.
    """
    command = [sys.executable, "-m", module, *map(str, arguments)]
    run = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    if run.returncode:
        raise RuntimeError(f"{' '.join(command[1:])} failed with exit status {run.returncode}; its message is above")
    return json.loads(run.stdout.splitlines()[-1])


def take_turns(
    variants: Mapping[str, Callable[[], Mapping[str, float]]], rounds: int
) -> dict[str, dict[str, list[float]]]:
    """Runs every variant once a round, so that whatever else slows the machine slows all of them alike.

    Every other round runs in reverse order.

    Returns:
        By variant and figure, one value a round.
    """
    figures: dict[str, dict[str, list[float]]] = {name: {} for name in variants}
    for index in range(rounds):
        for name in list(variants)[:: -1 if index % 2 else 1]:
            for figure, value in variants[name]().items():
                figures[name].setdefault(figure, []).append(value)
            if sys.stderr.isatty():
                print(f"round {index + 1} of {rounds}: {name}", file=sys.stderr)
    return figures


def on_every_core(child: Callable[[], Mapping[str, float]], figure: str) -> dict[str, float]:
    """The sum of one figure of as many processes as there are cores, all at once."""
    cores = os.cpu_count() or 1
    with ThreadPoolExecutor(cores) as pool:
        return {figure: sum(figures[figure] for figures in pool.map(lambda _: child(), range(cores)))}


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> Spread:
    """Of the medians; the spread is that of the ratios within each round."""
    by_round = [first / second for first, second in zip(ours, theirs, strict=True)]
    return dataclasses.replace(Spread.of(by_round), median=statistics.median(ours) / statistics.median(theirs))


def write_json(path: str | None, report: Mapping[str, Any]) -> None:
    """Writes a report where one is requested; `Spread` becomes a mapping."""
    if path:
        Path(path).write_text(json.dumps(report, indent=2, default=dataclasses.asdict) + "\n")
