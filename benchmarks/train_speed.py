"""Training and encoding against PyTorch: the same network, batch and random pictures, on this machine's CPU.

    python -m benchmarks.train_speed --against=torch --json=build/train_speed.json

JAX and PyTorch processes take turns; every figure is the median over rounds, with the lowest and highest. Ours is the
project's own training step, fed from memory as the training loop does, and its own encoding. PyTorch runs with
`channels_last` and fused AdamW, its allocator set as suits it best, and as it comes. The peak is a float32 product,
the faster of both frameworks, in processes of the same rounds. FLOPs are XLA's count for the compiled training step
(`cost_analysis`): two for each multiplication and addition of a matrix product or convolution, none where a factor is
padding, and one for any other operation. The convolutional network is always there in PyTorch, to compare with.
"""

import argparse
import importlib.util
import statistics
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import jax

from benchmarks.timing import Spread, child_figures, ratio, take_turns, write_json
from benchmarks.worker import add_shape_options

Rounds = dict[str, dict[str, list[float]]]


def main() -> None:
    """Measures, prints a table, and writes the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", choices=("torch", "none"), default="torch")
    parser.add_argument("--compile", action="store_true", help="try torch.compile as well")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", metavar="FILE")
    add_shape_options(parser)
    options = parser.parse_args()
    if options.against == "torch":
        require_torch()
    flops = child_figures("benchmarks.worker", "--work", "flops", *shape_arguments(options))["flops"]
    report = summary(take_turns(_variants(options), options.rounds), flops)
    report["settings"] = {**vars(options), "jax_version": jax.__version__}
    _print(report)
    write_json(options.json, report)


def require_torch() -> None:
    """Ends the program where there is no PyTorch."""
    if importlib.util.find_spec("torch") is None:
        raise SystemExit("PyTorch is not installed; run `make bench`, or measure ours alone by --against=none")


def shape_arguments(options: argparse.Namespace, **changes: object) -> list[str]:
    """The options of `add_shape_options`, for a worker."""
    shape = {name: vars(options)[name] for name in ("config", "network", "batch", "seconds", "gemm_size")}
    return [f"--{name.replace('_', '-')}={value}" for name, value in {**shape, **changes}.items()]


def summary(rounds: Rounds, flops_per_picture: float) -> dict[str, Any]:
    """What is printed and written: medians and spreads, ratios, and the share of the peak."""
    peak = max(
        statistics.median(rounds[name].pop("gemm")) for name in ("jax", "torch") if "gemm" in rounds.get(name, {})
    )
    ours = rounds["jax"]
    report: dict[str, Any] = {
        "images_per_second": {
            name: {work: Spread.of(values) for work, values in figures.items()} for name, figures in rounds.items()
        },
        "gemm_peak_gflops": peak / 1e9,
        "mflop_per_trained_picture": flops_per_picture / 1e6,
        "gemm_share": statistics.median(ours["train"]) * flops_per_picture / peak,
    }
    for work, values in ours.items():
        best = [rounds[name][work] for name in ("torch", "torch_compiled") if name in rounds]
        if best:
            spread = ratio(values, max(best, key=statistics.median))
            report |= {f"{work}_ratio": spread.median, f"{work}_ratio_spread": spread}
            as_it_comes = ratio(values, rounds["torch_as_it_comes"][work])
            report |= {f"{work}_ratio_as_it_comes": as_it_comes.median, f"{work}_ratio_as_it_comes_spread": as_it_comes}
    return report


def _variants(options: argparse.Namespace) -> dict[str, Callable[[], Mapping[str, float]]]:
    variants = {"jax": partial(_measure, shape_arguments(options), "train", "encode", "gemm", framework="jax")}
    if options.against == "none":
        return dict(variants)
    torch = partial(_measure, shape_arguments(options), "train", "encode", framework="torch")
    variants["torch"] = partial(_measure, shape_arguments(options), "train", "encode", "gemm", framework="torch")
    variants["torch_as_it_comes"] = partial(torch, allocator="as-it-comes")
    if options.compile:
        variants["torch_compiled"] = partial(torch, compile=True)
    if options.network != "convolutional":
        convolutional = shape_arguments(options, network="convolutional")
        variants["torch_convolutional"] = partial(_measure, convolutional, "train", "encode", framework="torch")
    return dict(variants)


def _measure(
    shape: list[str], *works: str, framework: str, allocator: str = "set", compile: bool = False
) -> dict[str, float]:
    how = [f"--framework={framework}", f"--allocator={allocator}", *(["--compile"] if compile else [])]
    return child_figures("benchmarks.worker", "--work", *works, *how, *shape)


def _print(report: Mapping[str, Any]) -> None:
    print(f"{'images/s, median (low to high)':32}{'train':>28}{'encode':>28}")
    for name, figures in report["images_per_second"].items():
        print(f"{name:32}{figures['train']!s:>28}{figures['encode']!s:>28}")
    for figure in ("train_ratio", "encode_ratio", "train_ratio_as_it_comes", "encode_ratio_as_it_comes"):
        if figure in report:
            print(f"{figure}: {report[f'{figure}_spread']}")
    print(
        f"{report['mflop_per_trained_picture']:.0f} MFLOP for each trained picture: {report['gemm_share']:.0%} of the "
        f"matrix product's {report['gemm_peak_gflops']:.0f} GFLOP/s"
    )


if __name__ == "__main__":
    main()
