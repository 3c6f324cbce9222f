"""Multi-task targets of the neural attackers: labels and weights as arrays, and the balanced loss over all targets."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

from conceal_jax.audit.targets import Target, Targets


@dataclasses.dataclass(frozen=True)
class TargetArrays:
    """The targets of N examples as arrays for networks with outputs [N, targets, width].

    Attributes:
        names: of the targets.
        class_counts: int [targets]; 0 for a value, which is then the first output.
        labels: float32 [N, targets]: classes, or values standardised to mean 0 and variance 1; 0 where missing.
        weights: float32 [N, targets]: 0 where missing, else 1 on average, with the same sum for every class.
        means, deviations: float32 [targets], by which values were standardised.
    """

    names: tuple[str, ...]
    class_counts: np.ndarray
    labels: np.ndarray
    weights: np.ndarray
    means: np.ndarray
    deviations: np.ndarray

    @property
    def width(self) -> int:
        """Outputs a network needs for each target."""
        return max(1, int(self.class_counts.max()))

    def repeated(self, times: int) -> "TargetArrays":
        """The targets tiled `times` over: all once, then all again."""
        return TargetArrays(
            names=self.names * times,
            class_counts=np.tile(self.class_counts, times),
            labels=np.tile(self.labels, (1, times)),
            weights=np.tile(self.weights, (1, times)),
            means=np.tile(self.means, times),
            deviations=np.tile(self.deviations, times),
        )

    def same_targets(self, targets: Targets) -> "TargetArrays":
        """The same targets of other people, with values standardised as here."""
        return _arrays({name: targets[name] for name in self.names}, self.means, self.deviations)

    def scores(self, outputs: np.ndarray) -> dict[str, np.ndarray]:
        """Outputs [N, targets, width] by target: logits [N, classes], or values [N] in their unit."""
        return {
            name: outputs[:, i, :count] if count else outputs[:, i, 0] * self.deviations[i] + self.means[i]
            for i, (name, count) in enumerate(zip(self.names, self.class_counts, strict=True))
        }


def target_arrays(targets: Targets) -> TargetArrays:
    """Targets of the same N examples as arrays."""
    means, deviations = np.array([_scale(target) for target in targets.values()], np.float32).T
    return _arrays(targets, means, deviations)


def _arrays(targets: Targets, means: np.ndarray, deviations: np.ndarray) -> TargetArrays:
    scales = zip(means.tolist(), deviations.tolist(), strict=True)
    columns = [_column(target, *scale) for target, scale in zip(targets.values(), scales, strict=True)]
    labels, weights = (np.array(part, np.float32).T for part in zip(*columns, strict=True))
    counts = np.array([target.class_count for target in targets.values()])
    return TargetArrays(tuple(targets), counts, labels, weights, means, deviations)


def _scale(target: Target) -> tuple[float, float]:
    """Mean and deviation by which a value is standardised."""
    values = target.labels[target.known]
    return (0.0, 1.0) if target.class_count else (float(values.mean()), float(values.std()))


def _column(target: Target, mean: float, deviation: float) -> tuple[np.ndarray, np.ndarray]:
    """Labels and weights, float [N]."""
    known = target.known
    if not target.class_count:
        return np.where(known, (target.labels - mean) / deviation, 0.0), known
    labels = np.where(known, target.labels, 0)
    counts = np.bincount(labels[known], minlength=target.class_count)
    balance = known.sum() / (max(np.count_nonzero(counts), 1) * np.maximum(counts, 1))
    return labels, np.where(known, balance[labels], 0.0)


def balanced_loss(
    outputs: Float[Array, "batch targets width"],
    labels: Float[Array, "batch targets"],
    weights: Float[Array, "batch targets"],
    class_counts: np.ndarray,
) -> Float[Array, " targets"]:
    """Each target's weighted mean of cross-entropy (classes) or squared error (values)."""
    within = np.arange(outputs.shape[-1]) < np.maximum(class_counts, 1)[:, None]
    # A large finite number: minus infinity would give NaN gradients through the unused outputs.
    logits = jnp.where(within, outputs, -1e9)
    entropies = optax.softmax_cross_entropy_with_integer_labels(logits, labels.astype(jnp.int32))
    errors = jnp.square(outputs[..., 0] - labels)
    losses = jnp.where(class_counts > 0, entropies, errors)
    return jnp.sum(weights * losses, axis=0) / jnp.maximum(jnp.sum(weights, axis=0), 1e-9)
