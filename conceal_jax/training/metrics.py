"""Metrics as masked sums and counts, picture quality, and where metrics are written."""

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from conceal_jax.runtime import atomic
from conceal_jax.runtime.collectives import psum
from conceal_jax.runtime.distributed import is_leader
from conceal_jax.runtime.errors import NonFiniteError
from conceal_jax.training.events import EventFile

Pictures = Float[Array, "batch height width channels"]
NEVER = np.iinfo(np.int32).max


class Sums(flax.struct.PyTreeNode):
    """Masked sums of per-example values, and what is needed to judge them.

    A tree of this form may also hold shapes, so its leaves are not typed as arrays.

    Attributes:
        totals: float32 [] sums by name.
        count: float32 [], how many examples they are over.
        bad_step: int32 [] by name, the first step at which the sum was not finite; `NEVER` if it always was.
    """

    totals: dict[str, Any]
    count: Any
    bad_step: dict[str, Any]

    def merge(self, other: "Sums") -> "Sums":
        """The sums over both."""
        return Sums(
            totals=jax.tree.map(jnp.add, self.totals, other.totals),
            count=self.count + other.count,
            bad_step=jax.tree.map(jnp.minimum, self.bad_step, other.bad_step),
        )

    @classmethod
    def zeros_like(cls, sums: "Sums") -> "Sums":
        """The sums over no example, with the names of the given ones (arrays or their shapes)."""
        return cls(
            totals={name: jnp.float32(0) for name in sums.totals},
            count=jnp.float32(0),
            bad_step={name: jnp.int32(NEVER) for name in sums.bad_step},
        )

    def means(self) -> dict[str, float]:
        """Means over the examples, fetched from the device; none where there is no example."""
        totals, count = jax.device_get((self.totals, self.count))
        return {name: float(total / count) for name, total in totals.items()} if count else {}


def masked_sums(
    values: Mapping[str, Float[Array, " batch"]],
    mask: Bool[Array, " batch"],
    step: Int[Array, ""],
    axis_name: str | None = None,
) -> Sums:
    """Sums over the examples that count, over all devices of `axis_name`."""
    shares = {name: jnp.sum(jnp.where(mask, value, 0.0)) for name, value in values.items()}
    totals, count = psum((shares, jnp.sum(mask, dtype=jnp.float32)), axis_name)
    bad = {name: jnp.where(jnp.isfinite(total), NEVER, step) for name, total in totals.items()}
    return Sums(totals, count, bad)


merge_sums = jax.jit(Sums.merge)


def require_finite(sums: Sums) -> None:
    """Checks everything summed since the last time.

    Raises:
        NonFiniteError: names the first step with a non-finite value, and the terms that were so at that step.
    """
    bad = {name: int(step) for name, step in jax.device_get(sums.bad_step).items()}
    first = min(bad.values())
    if first != NEVER:
        terms = ", ".join(name for name, step in bad.items() if step == first)
        raise NonFiniteError(
            f"not finite at step {first}: {terms}; the last good checkpoint is kept. "
            "Lower training.learning_rate or training.clip_norm, or raise objective.scale",
            first,
        )


def psnr(images: Pictures, others: Pictures) -> Float[Array, " batch"]:
    """Peak signal-to-noise ratio of each picture in dB, for values in [0, 1]."""
    squares = jnp.sum(jnp.square(images - others), axis=(1, 2, 3))
    return -10.0 * jnp.log10(jnp.maximum(squares / images[0].size, 1e-10))


def ssim(images: Pictures, others: Pictures) -> Float[Array, " batch"]:
    """Structural similarity of each picture (Wang et al. 2004: Gaussian window of 11, deviation 1.5).

    For values in [0, 1]; the mean, in [-1, 1], over channels and the positions where the window fits.
    """
    mean_x, mean_y = _blur(images), _blur(others)
    variance_x = _blur(images * images) - mean_x**2
    variance_y = _blur(others * others) - mean_y**2
    covariance = _blur(images * others) - mean_x * mean_y
    c1, c2 = 0.01**2, 0.03**2
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    structure = (2 * covariance + c2) / (variance_x + variance_y + c2)
    return jnp.mean(luminance * structure, axis=(1, 2, 3))


def _blur(images: Pictures) -> Float[Array, "batch inner_height inner_width channels"]:
    """Gaussian means over the window, where it fits: a product with one banded matrix for rows, one for columns."""
    rows, columns = (_window_matrix(size) for size in images.shape[1:3])
    return jnp.einsum("ph,bhwc,qw->bpqc", rows, images, columns)


def _window_matrix(size: int) -> np.ndarray:
    """float32 [size - 10, size]: row i holds the window's weights from column i on."""
    weights = np.exp(-0.5 * ((np.arange(11) - 5) / 1.5) ** 2)
    matrix = sum(np.eye(size - 10, size, k) * weight for k, weight in enumerate(weights / weights.sum()))
    return np.asarray(matrix, np.float32)


class MetricWriter:
    """Writes scalars to `metrics.jsonl` and, where tensorboardX is installed, to TensorBoard events.

    A run that resumes goes on in the same file; lines of steps after the one it resumes from are dropped, so that
    every step stands there once. Of several processes, the first one writes.
    """

    def __init__(self, workdir: Path, resume_step: int = 0) -> None:
        self._path = workdir / "metrics.jsonl" if is_leader() else Path(os.devnull)
        kept = [row for row in read_metrics(self._path) if row["step"] <= resume_step]
        atomic.write_text(self._path, "".join(json.dumps(row) + "\n" for row in kept))
        self._file = self._path.open("a")
        self._events = _event_file(workdir, resume_step) if is_leader() else None

    def write(self, step: int, scalars: Mapping[str, float]) -> None:
        """Appends one line and one event per scalar.

        Raises:
            OSError: the disk is full, say. The line is kept, and written along with the next one.
        """
        self._file.write(json.dumps({"step": step, **scalars}) + "\n")
        self._file.flush()
        try:
            if self._events is not None:
                self._events.write(step, scalars)
        except OSError:
            # Its end is torn now, and nothing behind it would be read.
            self._events = None
            raise

    def close(self) -> None:
        """Flushes and closes the files."""
        with contextlib.suppress(OSError):
            if self._events is not None:
                self._events.close()
        self._file.close()


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The rows of a `metrics.jsonl`; lines that are none, such as a last one cut off by a crash, are left out."""
    rows = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []:
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(row, dict) and isinstance(row.get("step"), int):
            rows.append(row)
    return rows


def _event_file(workdir: Path, resume_step: int) -> EventFile | None:
    # Accelerator images often come without tensorboardX; the JSONL file holds the same figures.
    try:
        return EventFile(workdir / "events", resume_step)
    except ImportError:
        return None
