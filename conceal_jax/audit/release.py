"""What is audited: everything that recipients get of some people, validated."""

import dataclasses
from collections.abc import Mapping

import numpy as np

from conceal_jax.audit.attackers.cnn import require_pictures
from conceal_jax.audit.examples import Posterior
from conceal_jax.audit.vocabulary import Source


@dataclasses.dataclass(frozen=True)
class Release:
    """Everything that recipients get of some people, with what the audit knows of them.

    Attributes:
        labels: int32 or float32 [N] by attribute.
        codes: float32 [N, L], where codes are released.
        pictures: uint8 [N, S, S, 3], where pictures are released; beside codes, those decoded from them.
        originals: the photos they were made from, uint8 [N, S, S, 3].
        posterior: Gaussians that the codes were drawn from.
        people: int [N], equal for photos that must not be in both parts: of one person, or duplicates; None if all
            are of different people.
        persons_known: whether `people` are persons, so that identification can be measured.
    """

    labels: Mapping[str, np.ndarray]
    codes: np.ndarray | None = None
    pictures: np.ndarray | None = None
    originals: np.ndarray | None = None
    posterior: Posterior | None = None
    people: np.ndarray | None = None
    persons_known: bool = False

    def __post_init__(self) -> None:
        if self.codes is None and self.pictures is None:
            raise ValueError("got neither codes nor pictures; give what is released")
        if self.codes is not None:
            require_codes(self.codes)
        for pictures in (self.pictures, self.originals):
            if pictures is not None:
                require_pictures(pictures)
        sizes = {
            name: len(part) for name, part in {**vars(self), **self.labels}.items() if isinstance(part, np.ndarray)
        }
        if len(set(sizes.values())) > 1:
            raise ValueError(f"got different numbers of people {sizes}; give one row for each person everywhere")

    def __len__(self) -> int:
        return len(next(iter(self.labels.values())))

    def inputs(self, source: Source) -> np.ndarray:
        """The inputs of one source, which must be released."""
        inputs = {"originals": self.originals, "codes": self.codes, "pictures": self.pictures}[source]
        assert inputs is not None
        return inputs

    def take(self, indices: np.ndarray) -> "Release":
        """The release of some of the people."""
        parts = {name: part[indices] for name, part in vars(self).items() if isinstance(part, np.ndarray)}
        labels = {name: values[indices] for name, values in self.labels.items()}
        posterior = self.posterior.take(indices) if self.posterior else None
        return dataclasses.replace(self, labels=labels, posterior=posterior, **parts)


def require_codes(codes: np.ndarray) -> None:
    """Raises ValueError unless `codes` are finite numbers [N, L]."""
    if codes.ndim != 2 or not np.issubdtype(codes.dtype, np.number):
        raise ValueError(f"got codes {codes.dtype} {list(codes.shape)}; give one row of dimensions for each person")
    broken = int(np.sum(~np.isfinite(codes).all(axis=1)))
    if broken:
        raise ValueError(
            f"{broken} of {len(codes)} codes hold NaN or infinity, so nothing can be measured: remove these people "
            "or encode them again"
        )
