"""The examples that attackers are fitted to: codes or pictures with targets, persons and posteriors."""

import dataclasses

import numpy as np

from conceal_jax.audit.targets import Target


@dataclasses.dataclass(frozen=True)
class Posterior:
    """The Gaussian that each code was drawn from, which an attacker with the encoder knows of its training people.

    Attributes:
        mean, std: float32 [N, L].
    """

    mean: np.ndarray
    std: np.ndarray

    def take(self, indices: np.ndarray) -> "Posterior":
        """The posteriors of some of the examples."""
        return Posterior(self.mean[indices], self.std[indices])


@dataclasses.dataclass(frozen=True)
class Examples:
    """Inputs of people, with targets.

    Attributes:
        inputs: codes float32 [N, L], or pictures uint8 [N, S, S, 3].
        targets: by name, each with N labels.
        posterior: of the codes, where it is known.
        people: int [N], equal for examples of one person; None where every example is of another person.
    """

    inputs: np.ndarray
    targets: dict[str, Target]
    posterior: Posterior | None = None
    people: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.inputs)

    def take(self, indices: np.ndarray) -> "Examples":
        """Some of the examples."""
        return Examples(
            self.inputs[indices],
            {name: target.take(indices) for name, target in self.targets.items()},
            self.posterior.take(indices) if self.posterior else None,
            None if self.people is None else self.people[indices],
        )

    def folds(self, count: int, seed: int) -> list[np.ndarray]:
        """`count` sets of indices, of about equal size; no person is in two of them."""
        return draw_folds(len(self), self.people, count, seed)

    def split(self, count: int, seed: int) -> tuple["Examples", "Examples"]:
        """One part in `count` and the rest, as (rest, part); no person is in both."""
        part = self.folds(count, seed)[0]
        return self.take(np.setdiff1d(np.arange(len(self)), part)), self.take(part)


def draw_folds(size: int, people: np.ndarray | None, count: int, seed: int) -> list[np.ndarray]:
    """`count` sets of indices below `size`, of about equal size; no person of `people` int [size] is in two of them."""
    generator = np.random.default_rng(seed)
    if people is None:
        return [np.sort(part) for part in np.array_split(generator.permutation(size), count)]
    persons, person = np.unique(people, return_inverse=True)
    fold_of_person = generator.permutation(len(persons)) % count
    return [np.flatnonzero(fold_of_person[person] == fold) for fold in range(count)]
