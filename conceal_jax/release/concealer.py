"""A trained run as one object: `encode` turns photos into codes, `decode` codes into pictures, arrays in and out."""

import secrets
import warnings
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

from conceal_jax.attributes import AttributeSet
from conceal_jax.audit.report.schema import Report, read_report
from conceal_jax.audit.vocabulary import percent
from conceal_jax.release.encode import compiled_decode, compiled_sample, in_batches
from conceal_jax.release.export.export import REPORT, is_export, load_export
from conceal_jax.release.noise import check_key, photo_noise
from conceal_jax.runs import run_directory
from conceal_jax.runs.trained import Run, load_run, model_hash
from conceal_jax.runtime.parallel import AXIS, create_mesh, replicate


class Concealer:
    """Encodes, decodes and conceals pictures with a trained run.

    Whatever the number of pictures, they are computed in batches of one size, so that there is one program to compile
    and a photo's code does not depend on the photos beside it. On several devices each computes its share.

    Attributes:
        run: the trained run.
        batch_size: pictures computed at once.
    """

    def __init__(self, run: Run, *, batch_size: int = 256, mean_code_warning: str | None = None) -> None:
        """Prepares the programs; they are compiled when first used.

        Args:
            run: a trained run.
            batch_size: pictures computed at once; rounded up to a multiple of the number of devices.
            mean_code_warning: what is known of the mean codes' leakage; see `encode`.
        """
        mesh = create_mesh()
        self.run = run
        self.batch_size = -(-batch_size // mesh.size) * mesh.size
        self._mean_code_warning = mean_code_warning or "this run was never audited: conceal evaluate --workdir=RUN"
        self._params = replicate(run.params, mesh)
        self._rows = NamedSharding(mesh, PartitionSpec(AXIS))
        self._encode = partial(compiled_sample, run.model)
        self._decode = partial(compiled_decode, run.model)

    @classmethod
    def load(cls, workdir: str | Path, *, batch_size: int = 256) -> "Concealer":
        """Reads a run directory, or a folder that `conceal export` wrote.

        Raises:
            ValueError: the directory holds no trained run, or an exported file was changed.
        """
        run, report = read_run(Path(workdir))
        known = _mean_code_leakage(report) if report else None
        return cls(run, batch_size=batch_size, mean_code_warning=known)

    @property
    def attributes(self) -> AttributeSet:
        """What the run conceals and keeps."""
        return self.run.attributes

    @property
    def image_size(self) -> int:
        """Side in pixels of the pictures that go in and come out."""
        return self.run.config.data.image_size

    @property
    def latent_dim(self) -> int:
        """Dimensions of a code."""
        return self.run.model.latent_dim

    @cached_property
    def model_hash(self) -> str:
        """Identifies the model, in hexadecimal: codes of one model cannot be decoded by another."""
        return model_hash(self.run)

    def encode(self, images: np.ndarray, key: bytes | None = None, *, mean: bool = False) -> np.ndarray:
        """Encodes photos: samples their posteriors with noise that is keyed by each photo.

        Args:
            images: uint8 [N, S, S, 3]; S is `image_size`.
            key: a secret of at least 16 random bytes. With it a photo gets the same noise, and so the same code,
                however often it is encoded; without it, fresh noise of the operating system's randomness.
            mean: leave the noise out. Such codes leak far more: do not release them.

        Returns:
            float32 [N, latent_dim].

        Raises:
            ValueError: the pictures have another type or shape, or the key is too short.
        """
        self._check_images(images)
        secret = secrets.token_bytes() if key is None else check_key(key)
        if mean:
            warnings.warn(f"mean codes leak far more than sampled ones; {self._mean_code_warning}", stacklevel=2)
        if not len(images):
            return np.zeros((0, self.latent_dim), np.float32)
        if mean:
            noise = np.zeros((len(images), self.latent_dim), np.float32)
        else:
            noise = photo_noise(images, secret, self.latent_dim)
        return in_batches(partial(self._on_devices, self._encode), (images, noise), self.batch_size)

    def decode(self, codes: np.ndarray, attributes: str | np.ndarray = "neutral") -> np.ndarray:
        """Decodes codes to pictures under labels.

        Args:
            codes: float32 [N, latent_dim].
            attributes: a request such as "gender=female,age=40", where what is not requested stays neutral; or label
                vectors, float32 [width] for all codes or [N, width].

        Returns:
            uint8 [N, S, S, 3].

        Raises:
            ValueError: the codes have another type or shape, hold what is not finite, or the request cannot be met.
        """
        self._check_codes(codes)
        vectors = self.attributes.parse(attributes) if isinstance(attributes, str) else attributes
        width = self.attributes.width
        if vectors.shape not in ((width,), (len(codes), width)):
            raise ValueError(
                f"got label vectors {vectors.shape} for {len(codes)} codes; expected [{width}] or one each"
            )
        if not len(codes):
            return np.zeros((0, self.image_size, self.image_size, 3), np.uint8)
        every = np.broadcast_to(vectors, (len(codes), width)).astype(np.float32)
        return in_batches(
            partial(self._on_devices, self._decode), (codes.astype(np.float32, copy=False), every), self.batch_size
        )

    def conceal(
        self, images: np.ndarray, attributes: str | np.ndarray = "neutral", key: bytes | None = None
    ) -> np.ndarray:
        """Pictures, uint8 [N, S, S, 3], that show the given ones under other attributes: `encode`, then `decode`."""
        return self.decode(self.encode(images, key), attributes)

    def _on_devices(self, program: Any, *batch: np.ndarray) -> Any:
        return program(self._params, *jax.device_put(batch, self._rows))

    def _check_images(self, images: np.ndarray) -> None:
        expected = (self.image_size, self.image_size, 3)
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != expected:
            raise ValueError(
                f"got pictures of {images.dtype} {images.shape}; expected uint8 [N, {self.image_size}, "
                f"{self.image_size}, 3] in RGB, of a single photo too; conceal_jax.release.photos.read_photo makes them"
            )

    def _check_codes(self, codes: np.ndarray) -> None:
        if codes.dtype.kind != "f" or codes.ndim != 2 or codes.shape[1] != self.latent_dim:
            raise ValueError(f"got codes of {codes.dtype} {codes.shape}; this run's are float32 [N, {self.latent_dim}]")
        if not np.isfinite(codes).all():
            raise ValueError("some codes hold NaN or infinity; encode their photos again")


def read_run(path: Path) -> tuple[Run, Report | None]:
    """A run, from its directory or as it was exported, and the report of its audit where there is one."""
    if is_export(path):
        return load_export(path), read_report(path / REPORT)
    return load_run(path), read_report(path / run_directory.REPORT / REPORT)


def _mean_code_leakage(report: Report) -> str | None:
    """What the audit read of mean codes, in words."""
    read = [
        f"{name} at {percent(reading.best.value)} (chance {percent(report.concealed[name].chance)})"
        for name, reading in report.repeats.get("mean", {}).items()
    ]
    return f"the audit of this run reads from them {', '.join(read)}" if read else None
