"""A run's encoder and decoder as programs for other runtimes: StableHLO, and ONNX (extra [export]).

Both hold the parameters, compute in float32 and take any number of rows. The noise of codes is an input: the caller
draws it.
"""

import contextlib
import dataclasses
import logging
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import export
from jaxtyping import Array

from conceal_jax.models.vae import create_model
from conceal_jax.release.encode import sample_batch
from conceal_jax.runs.trained import Run

PLATFORMS = ("cpu", "cuda", "tpu")
"""That the StableHLO is lowered for."""

TOLERANCE = 1e-4
"""By which the output of ONNX may differ from that of JAX."""

_CHECKED = 256
_ROWS = "batch"


@dataclasses.dataclass(frozen=True)
class Program:
    """A function of arrays with one row for each photo.

    Attributes:
        name: "encoder" or "decoder".
        function: of the inputs, in order.
        inputs: by name the shape of a row and the type.
        output: its name.
    """

    name: str
    function: Callable[..., Array]
    inputs: dict[str, jax.ShapeDtypeStruct]
    output: str


def programs_of(run: Run) -> tuple[Program, Program]:
    """The encoder (pictures uint8 [B, S, S, 3] and noise float32 [B, L] to codes float32 [B, L]) and the decoder.

    The decoder takes codes and label vectors, float32 [B, width], to pictures float32 [B, S, S, 3] in [0, 1].
    """
    in_float32 = dataclasses.replace(run.config, model=dataclasses.replace(run.config.model, dtype="float32"))
    model, params = create_model(in_float32), jax.tree.map(np.asarray, run.params)
    size, codes = run.config.data.image_size, jax.ShapeDtypeStruct((model.latent_dim,), jnp.float32)

    def decode(codes: Array, labels: Array) -> Array:
        pictures: Any = model.apply({"params": params}, codes, labels, method="decode")
        return pictures

    return (
        Program(
            "encoder",
            partial(sample_batch, model, params),
            {"pictures": jax.ShapeDtypeStruct((size, size, 3), jnp.uint8), "noise": codes},
            "codes",
        ),
        Program(
            "decoder",
            decode,
            {"codes": codes, "labels": jax.ShapeDtypeStruct((run.attributes.width,), jnp.float32)},
            "pictures",
        ),
    )


def to_stablehlo(program: Program) -> bytes:
    """What `jax.export.deserialize` reads, for a symbolic number of rows on all of `PLATFORMS`."""
    (rows,) = export.symbolic_shape(_ROWS)
    batches = [jax.ShapeDtypeStruct((rows, *row.shape), row.dtype) for row in program.inputs.values()]
    return bytes(export.export(jax.jit(program.function), platforms=PLATFORMS)(*batches).serialize())


def to_onnx(program: Program) -> bytes:
    """An ONNX file whose first axes are free, after onnxruntime has reproduced JAX's results with it.

    Raises:
        ValueError: the extra [export] is not installed, or the results differ by more than `TOLERANCE`.
    """
    jax2onnx, _ = require_onnx()
    rows: Any = _ROWS
    with _only_errors_are_logged():
        content: bytes = jax2onnx.to_onnx(
            program.function,
            [jax.ShapeDtypeStruct((rows, *row.shape), row.dtype) for row in program.inputs.values()],
            model_name=f"conceal_jax_{program.name}",
            input_names=list(program.inputs),
            output_names=[program.output],
        ).SerializeToString()
    differing = share_that_differs(program, content)
    # A dimension of a finite code on the border of two values may round to the other one.
    if differing > 1e-3:
        raise ValueError(
            f"{100 * differing:.1f} % of the ONNX {program.name}'s outputs differ from JAX's by more than {TOLERANCE}; "
            "report it with the run's configuration and your versions of jax and jax2onnx"
        )
    return content


def require_onnx() -> tuple[Any, Any]:
    """The libraries jax2onnx and onnxruntime.

    Raises:
        ValueError: the extra [export] is not installed.
    """
    try:
        return import_module("jax2onnx"), import_module("onnxruntime")
    except ImportError as error:
        raise ValueError(f"ONNX needs the extra [export] ({error}): pip install 'conceal_jax[export]'") from error


@contextlib.contextmanager
def _only_errors_are_logged() -> Iterator[None]:
    """jax2onnx logs each conversion and each missing plugin, and its shape inference warns of constants."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def _random_rows(program: Program) -> dict[str, np.ndarray]:
    """Pictures of uniform noise, everything else from N(0, I)."""
    generator = np.random.default_rng(0)

    def draw(row: jax.ShapeDtypeStruct) -> np.ndarray:
        shape = (_CHECKED, *row.shape)
        drawn = generator.integers(0, 256, shape) if row.dtype == jnp.uint8 else generator.normal(size=shape)
        return drawn.astype(row.dtype)

    return {name: draw(row) for name, row in program.inputs.items()}


def share_that_differs(program: Program, content: bytes) -> float:
    """Share of onnxruntime's outputs for random inputs that differ from JAX's by more than `TOLERANCE`."""
    _, onnxruntime = require_onnx()
    inputs = _random_rows(program)
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    (got,) = session.run([program.output], inputs)
    expected = np.asarray(jax.jit(program.function)(*inputs.values()))
    return float(np.mean(np.abs(got - expected) > TOLERANCE))
