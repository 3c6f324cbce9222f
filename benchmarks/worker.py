"""One process of a benchmark: measures one framework and prints its figures as a line of JSON.

    python -m benchmarks.worker --framework=jax --work train encode

Figures: train and encode in images/s (encode:B for batches of B), gemm in FLOP/s, flops in FLOPs per trained picture.
"""

import argparse
import dataclasses
import json
from typing import Any

from benchmarks import jax_workloads
from benchmarks.timing import rate
from conceal_jax.config import Config
from conceal_jax.runtime.memory import keep_freed_memory


def main() -> None:
    """Parses, measures, prints."""
    options = _parser().parse_args()
    config = jax_workloads.load_config(options.config, jax_workloads.NETWORKS[options.network])
    if options.batch:
        training = dataclasses.replace(config.training, batch_size=options.batch)
        config = dataclasses.replace(config, training=training)
    if options.allocator == "set":
        keep_freed_memory()
        if options.framework == "torch":
            _workloads("torch").share_one_arena()
    print(json.dumps({work: _measure(work, config, options) for work in options.work}))


def _measure(work: str, config: Config, options: argparse.Namespace) -> float:
    workloads, batch = _workloads(options.framework), config.training.batch_size
    compiled = {"compiled": True} if options.compile else {}
    match work.split(":"):
        case ["flops"]:
            step = jax_workloads.lowered_step(config).compile()
            return jax_workloads.xla_count(step, "flops") / batch
        case ["gemm"]:
            multiply, flops = workloads.matrix_product(options.gemm_size)
            return rate(multiply, options.seconds) * flops
        case ["train"]:
            return rate(workloads.Training(config, **compiled), options.seconds) * batch
        case ["encode", *sizes]:
            size = int(sizes[0]) if sizes else config.evaluation.batch_size
            return rate(workloads.encoding(config, size, **compiled), options.seconds) * size
    raise SystemExit(f"--work={work}: choose among train, encode, encode:BATCH, gemm and flops")


def _workloads(framework: str) -> Any:
    if framework == "jax":
        return jax_workloads
    # PyTorch is no dependency of the project.
    from benchmarks import torch_workloads

    return torch_workloads


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--framework", choices=("jax", "torch"), default="jax")
    parser.add_argument("--work", nargs="+", default=["train"])
    parser.add_argument("--allocator", choices=("set", "as-it-comes"), default="set")
    parser.add_argument("--compile", action="store_true", help="torch.compile")
    add_shape_options(parser)
    return parser


def add_shape_options(parser: argparse.ArgumentParser) -> None:
    """The options that every worker shares."""
    parser.add_argument("--config", default=jax_workloads.CONFIG, help="FILE, or FILE:shrunken")
    parser.add_argument("--network", choices=jax_workloads.NETWORKS, default="default")
    parser.add_argument("--batch", type=int, default=64, help="pictures in a training step")
    parser.add_argument("--seconds", type=float, default=4.0, help="measured in each round")
    parser.add_argument("--gemm-size", type=int, default=4096)


if __name__ == "__main__":
    main()
