"""Training and encoding on an accelerator, against torch.compile where PyTorch is installed. Needs no TensorFlow.

    python -m benchmarks.gpu_speed --json=gpu_speed.json

Training is the project's own step, fed from device memory, several steps a call. Encoding is measured on pictures that
are on the device already ("encode"), and from and to the host's memory as users call it ("encode_host"); PyTorch does
the latter. The input path, uint8 batches from the host to the devices, stands apart ("input").

Shares are of a bfloat16 matrix product and of a copy in device memory, both measured here. FLOPs are XLA's count for
the program before its products become calls of libraries, bytes its count for the compiled program, where every
operation reads its arguments and writes its results once. It leaves out the bytes of such calls: the share of the
bandwidth is a lower bound.
"""

import argparse
import dataclasses
import importlib.util
import itertools
import json
import os
from typing import Any

import jax
import jax.numpy as jnp

from benchmarks import jax_workloads
from benchmarks.timing import child_figures, rate, write_json
from conceal_jax.config import Config
from conceal_jax.models.vae import create_model, init_params
from conceal_jax.release.encode import encode_batch
from conceal_jax.runtime.parallel import create_mesh, shard_batch


@dataclasses.dataclass(frozen=True)
class Case:
    """One line of the table: side of the pictures, type of the activations, pictures at once."""

    size: int
    dtype: str
    batch: int


def main() -> None:
    """Measures, prints a line of JSON for each case as it is done, and writes all of them."""
    # PyTorch's processes need room beside this one.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    options = _parser().parse_args()
    if options.torch_case:
        print(json.dumps(torch_figures(Case(**json.loads(options.torch_case)), options)))
        return
    limits = {"peak_flops": peak_flops(options), "bandwidth": bandwidth(options)}
    device = {"device": jax.devices()[0].device_kind, "devices": jax.device_count(), "jax": jax.__version__}
    print(json.dumps({**device, **limits}), flush=True)
    figures = []
    for case in itertools.starmap(Case, itertools.product(options.sizes, options.dtypes, options.batches)):
        figures.append({**dataclasses.asdict(case), **_measure(case, options, limits)})
        print(json.dumps(figures[-1]), flush=True)
        write_json(options.json, {**device, **limits, "cases": figures})


def peak_flops(options: argparse.Namespace) -> float:
    """FLOP/s of a bfloat16 matrix product on one device."""
    multiply, flops = jax_workloads.matrix_product(options.gemm_size, "bfloat16")
    return rate(multiply, options.seconds) * flops


def bandwidth(options: argparse.Namespace) -> float:
    """Bytes/s that one device reads and writes."""
    values = jnp.zeros(options.copy_megabytes * 2**18, jnp.float32)
    add = jax.jit(lambda values: values + 1)

    def copy(times: int) -> None:
        for _ in range(times):
            last = add(values)
        last.block_until_ready()

    return rate(copy, options.seconds) * 2 * values.nbytes


def train_figures(config: Config, options: argparse.Namespace) -> dict[str, float]:
    """Images/s of training steps, and FLOPs and bytes of a picture."""
    batch = config.training.batch_size
    lowered = jax_workloads.lowered_step(config)
    images = rate(jax_workloads.Training(config), options.seconds) * batch
    return {"images": images, **_costs(lowered, lowered.compile(), batch)}


def encode_figures(config: Config, options: argparse.Namespace) -> dict[str, float]:
    """The same of encoding on one device."""
    batch, key = config.training.batch_size, jax.random.key(0)
    model = create_model(config, censored=False)
    pictures = jnp.asarray(jax_workloads.random_pictures(config, batch).images)
    arguments = (init_params(model, config, key), pictures, jnp.arange(batch, dtype=jnp.int32), key)
    lowered = jax.jit(encode_batch, static_argnums=0).lower(model, *arguments)
    compiled = lowered.compile()

    def encode(times: int) -> None:
        for _ in range(times):
            last = compiled(*arguments)
        last.block_until_ready()

    return {"images": rate(encode, options.seconds) * batch, **_costs(lowered, compiled, batch)}


def _costs(lowered: jax.stages.Lowered, compiled: jax.stages.Compiled, batch: int) -> dict[str, float]:
    """Of one picture."""
    xla_count = jax_workloads.xla_count
    return {"flops": xla_count(lowered, "flops") / batch, "bytes": xla_count(compiled, "bytes accessed") / batch}


def input_rate(config: Config, options: argparse.Namespace) -> float:
    """Images/s from the host's memory to the devices'."""
    mesh, batch = create_mesh(), jax_workloads.random_pictures(config, config.training.batch_size).images

    def put(times: int) -> None:
        for _ in range(times):
            jax.block_until_ready(shard_batch(batch, mesh))

    return rate(put, options.seconds) * len(batch)


def torch_figures(case: Case, options: argparse.Namespace) -> dict[str, float]:
    """Images/s of PyTorch's compiled programs on the same case."""
    import torch

    from benchmarks import torch_workloads

    config, device = _config(case, options), "cuda" if torch.cuda.is_available() else "cpu"
    torch.set_float32_matmul_precision("high")
    training = torch_workloads.Training(config, device, compiled=True)
    encoding = torch_workloads.encoding(config, case.batch, device, compiled=True)
    return {
        "torch_train": rate(training, options.seconds) * case.batch,
        "torch_encode_host": rate(encoding, options.seconds) * case.batch,
    }


def _measure(case: Case, options: argparse.Namespace, limits: dict[str, float]) -> dict[str, Any]:
    try:
        figures = _jax_figures(_config(case, options), options, limits)
    except jax.errors.JaxRuntimeError as error:
        # The largest batches do not fit everywhere; the others are worth having.
        return {"error": str(error).partition("\n")[0]}
    if options.against == "torch" and importlib.util.find_spec("torch"):
        figures |= _torch_child(case, options)
    return figures


def _jax_figures(config: Config, options: argparse.Namespace, limits: dict[str, float]) -> dict[str, float]:
    training, encode = train_figures(config, options), encode_figures(config, options)
    host = rate(jax_workloads.encoding(config, config.training.batch_size), options.seconds)
    return {
        **_shares("train", training, limits, jax.device_count()),
        **_shares("encode", encode, limits, 1),
        "encode_host": host * config.training.batch_size,
        "input": input_rate(config, options),
    }


def _shares(work: str, figures: dict[str, float], limits: dict[str, float], devices: int) -> dict[str, float]:
    images = figures["images"]
    return {
        work: images,
        f"{work}_share_of_peak": images * figures["flops"] / (limits["peak_flops"] * devices),
        f"{work}_share_of_bandwidth": images * figures["bytes"] / (limits["bandwidth"] * devices),
    }


def _torch_child(case: Case, options: argparse.Namespace) -> dict[str, Any]:
    settings = (f"--config={options.config}", f"--seconds={options.seconds}")
    try:
        return child_figures("benchmarks.gpu_speed", f"--torch-case={json.dumps(dataclasses.asdict(case))}", *settings)
    except RuntimeError as error:
        return {"torch_error": str(error)}


def _config(case: Case, options: argparse.Namespace) -> Config:
    config = jax_workloads.load_config(options.config, {"model.dtype": case.dtype})
    return dataclasses.replace(
        config,
        data=dataclasses.replace(config.data, image_size=case.size),
        training=dataclasses.replace(config.training, batch_size=case.batch),
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default=jax_workloads.CONFIG, help="FILE, or FILE:shrunken")
    parser.add_argument("--sizes", type=int, nargs="+", default=(64, 128), help="sides of the pictures in pixels")
    parser.add_argument("--batches", type=int, nargs="+", default=(256, 1024, 4096, 8192))
    parser.add_argument("--dtypes", nargs="+", choices=("float32", "bfloat16"), default=("float32", "bfloat16"))
    parser.add_argument("--against", choices=("torch", "none"), default="torch")
    parser.add_argument("--seconds", type=float, default=2.0, help="measured for each figure")
    parser.add_argument("--gemm-size", type=int, default=8192)
    parser.add_argument("--copy-megabytes", type=int, default=1024)
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--torch-case", help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    main()
