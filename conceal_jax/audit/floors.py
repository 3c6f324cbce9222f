"""Floors: what chance and the kept labels alone reveal of an attribute, which no concealment can remove."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from conceal_jax.attributes import Attribute, Categorical
from conceal_jax.audit.attackers.attacker import Attacker
from conceal_jax.audit.attackers.linear import LinearAttacker
from conceal_jax.audit.attackers.majority import MajorityAttacker
from conceal_jax.audit.attackers.trees import DecisionTreeAttacker
from conceal_jax.audit.reading import Reading
from conceal_jax.audit.statistics import Estimate


@dataclasses.dataclass(frozen=True)
class Floor:
    """What is known of an attribute without any code or picture.

    Attributes:
        chance: balanced accuracy of guessing: 1 / number of classes among the test people.
        floor: best balanced accuracy from the kept labels alone; never below chance.
    """

    chance: float
    floor: Estimate


def floor_attackers(seed: int) -> list[Attacker]:
    """The attackers on kept labels: simple models, as there are few inputs."""
    return [MajorityAttacker(), LinearAttacker(), DecisionTreeAttacker(seed)]


def floor_of(reading: Reading) -> Floor:
    """The floor that `floor_attackers` read from `kept_features`."""
    chance = 1 / np.count_nonzero(reading.support)
    if not reading.attackers:
        return Floor(chance, Estimate(chance, (chance, chance)))
    best = reading.best.decisive
    if best.value >= chance:
        return Floor(chance, best)
    return Floor(chance, Estimate(chance, (chance, max(best.ci95[1], chance))))


def kept_features(kept: Sequence[Attribute], labels: Mapping[str, np.ndarray]) -> np.ndarray:
    """The kept labels as an attacker's input.

    Args:
        kept: attributes that recipients may read.
        labels: int32 or float32 [N] by name.

    Returns:
        float32 [N, features]: one-hot classes (all 0 where missing), and values with a column that marks the missing;
        the first column is 0, so that there is an input where no attribute is kept.
    """
    columns = [np.zeros((len(next(iter(labels.values()))), 1))]
    for spec in kept:
        values: np.ndarray = np.asarray(labels[spec.name], spec.dtype)
        if isinstance(spec, Categorical):
            columns.append(values[:, None] == np.arange(spec.width))
        else:
            missing = spec.is_missing(values)
            columns.append(np.stack([np.where(missing, spec.low, values), missing], axis=1))
    return np.concatenate(columns, axis=1).astype(np.float32)
