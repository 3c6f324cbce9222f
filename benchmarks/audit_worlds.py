"""What the audit finds in worlds whose leakage is known, and how its intervals cover.

    python -m benchmarks.audit_worlds --people=20000 --dimensions=64 --leak=.03 --json=worlds.json
    python -m benchmarks.audit_worlds --worlds --coverage=200

A leak is found where the lower limit for the best attacker of the suite (95 %, simultaneous) lies above chance. The
worlds are those of tests/audit/worlds.py, which says which are hard and why.
"""

import argparse
import dataclasses
import json
import time
from pathlib import Path

import numpy as np
from tqdm import tqdm

from conceal_jax.audit.attackers.suite import full_suite
from conceal_jax.audit.examples import Examples
from conceal_jax.audit.protocol import attack_out_of_fold
from conceal_jax.audit.reading import Reading
from conceal_jax.audit.statistics import clopper_pearson
from conceal_jax.audit.targets import Target
from tests.audit.worlds import HARD, WORLDS, World, draw


@dataclasses.dataclass(frozen=True)
class Finding:
    """What the suite reads in one world.

    Attributes:
        world, hard, seed: which; whether its leak is proven to be out of reach.
        chance, bayes: what is read without codes, and by the best possible attacker.
        best, value, interval: the best attacker, its balanced accuracy, and limits for the best of the suite.
        found: the lower limit is above chance.
        attackers: balanced accuracy by attacker.
        seconds: for all attackers and folds.
    """

    world: str
    hard: bool
    seed: int
    chance: float
    bayes: float
    best: str
    value: float
    interval: tuple[float, float]
    found: bool
    attackers: dict[str, float]
    seconds: float


def read(world: World, folds: int, seed: int) -> Reading:
    """What the full suite reads of everyone, out of fold."""
    people = Examples(world.codes, {"label": Target(world.labels, world.class_count)})
    return attack_out_of_fold(people, full_suite(seed, white_box=False), folds=folds, seed=seed)["label"]


def find(name: str, people: int, dimensions: int, leak: float, folds: int, seed: int) -> Finding:
    """Draws a world and lets the suite read it."""
    world = draw(name, people, dimensions, leak, seed)
    start = time.perf_counter()
    reading = read(world, folds, seed)
    seconds = time.perf_counter() - start
    chance = 1 / world.class_count
    return Finding(
        world=name,
        hard=name in HARD,
        seed=seed,
        chance=chance,
        bayes=world.accuracy,
        best=reading.best.attacker,
        value=reading.highest.value,
        interval=reading.highest.ci95,
        found=reading.highest.ci95[0] > chance,
        attackers={each.attacker: each.decisive.value for each in reading.attackers},
        seconds=seconds,
    )


def coverage(runs: int, people: int, dimensions: int, folds: int) -> dict[str, float]:
    """How often the interval for the best of the suite holds 1/2 on codes that tell nothing; and its mean width."""
    intervals = np.array(
        [
            read(draw("none", people, dimensions, 0, seed), folds, seed).highest.ci95
            for seed in tqdm(range(runs), disable=None)
        ]
    )
    covered = int(np.sum((intervals[:, 0] <= 0.5) & (intervals[:, 1] >= 0.5)))
    low, high = clopper_pearson(np.array(covered), np.array(runs))
    return {
        "runs": runs,
        "people": people,
        "dimensions": dimensions,
        "coverage": covered / runs,
        "coverage_low": float(low),
        "coverage_high": float(high),
        "mean_width": float(np.mean(intervals[:, 1] - intervals[:, 0])),
    }


def main() -> None:
    """Prints the table of worlds, then the coverage."""
    arguments = _parser().parse_args()
    findings = []
    print(f"{'world':20} {'Bayes':>5}  {'best attacker':16} {'read':>5}  {'95 % limits':12}  {'found':12} seconds")
    for name in arguments.worlds:
        for seed in arguments.seeds:
            finding = find(name, arguments.people, arguments.dimensions, arguments.leak, arguments.folds, seed)
            findings.append(finding)
            print(_line(finding), flush=True)
    covered = {}
    if arguments.coverage:
        covered = coverage(
            arguments.coverage, arguments.coverage_people, arguments.coverage_dimensions, arguments.folds
        )
        print(", ".join(f"{name} {value:g}" for name, value in covered.items()))
    if arguments.json:
        report = {"worlds": [dataclasses.asdict(finding) for finding in findings], "coverage": covered}
        arguments.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def _line(finding: Finding) -> str:
    low, high = finding.interval
    found = ("yes" if finding.found else "no") + (" (hard)" if finding.hard else "")
    return (
        f"{finding.world:20} {finding.bayes:5.3f}  {finding.best:16} {finding.value:5.3f}  "
        f"{low:5.3f}-{high:5.3f}   {found:12} {finding.seconds:7.0f}"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", nargs="*", choices=list(WORLDS), default=list(WORLDS), metavar="WORLD")
    parser.add_argument("--people", type=int, default=20_000)
    parser.add_argument("--dimensions", type=int, default=64)
    parser.add_argument("--leak", type=float, default=0.03, help="best possible accuracy minus chance")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--coverage", type=int, default=0, metavar="RUNS", help="runs on codes that tell nothing")
    parser.add_argument("--coverage-people", type=int, default=1000)
    parser.add_argument("--coverage-dimensions", type=int, default=16)
    parser.add_argument("--json", type=Path, help="where to write everything")
    return parser


if __name__ == "__main__":
    main()
