"""Targets as rectangular arrays, and the loss with which networks learn all of them at once."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

from conceal_jax.audit.targets import Target, Targets


@dataclasses.dataclass(frozen=True)
class QuestionSheet:
    """The targets of N examples as arrays for networks with outputs [N, targets, width].

    Attributes:
        names: of the targets.
        class_counts: int [targets]; 0 where a value is asked for, which is then the first output.
        labels: float32 [N, targets]: classes, or values standardised to mean 0 and variance 1; 0 where missing.
        weights: float32 [N, targets]: 0 where missing, such that every class has the same sum, 1 on average otherwise.
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

    def repeated(self, times: int) -> "QuestionSheet":
        """Every question `times` over: first all once, then all again."""
        return QuestionSheet(
            names=self.names * times,
            class_counts=np.tile(self.class_counts, times),
            labels=np.tile(self.labels, (1, times)),
            weights=np.tile(self.weights, (1, times)),
            means=np.tile(self.means, times),
            deviations=np.tile(self.deviations, times),
        )

    def scores(self, outputs: np.ndarray) -> dict[str, np.ndarray]:
        """Outputs [N, targets, width] by target: logits [N, classes], or values [N] in their own unit."""
        return {
            name: outputs[:, i, :count] if count else outputs[:, i, 0] * self.deviations[i] + self.means[i]
            for i, (name, count) in enumerate(zip(self.names, self.class_counts, strict=True))
        }


def question_sheet(targets: Targets) -> QuestionSheet:
    """Lays out targets that all have the same number of examples."""
    columns = [_column(target) for target in targets.values()]
    labels, weights, means, deviations = (np.array(part, np.float32) for part in zip(*columns, strict=True))
    counts = np.array([target.class_count for target in targets.values()])
    return QuestionSheet(tuple(targets), counts, labels.T, weights.T, means, deviations)


def _column(target: Target) -> tuple[np.ndarray, np.ndarray, float, float]:
    known = target.known
    if target.class_count:
        labels = np.where(known, target.labels, 0)
        counts = np.bincount(labels[known], minlength=target.class_count)
        balance = known.sum() / (np.count_nonzero(counts) * np.maximum(counts, 1))
        return labels, np.where(known, balance[labels], 0.0), 0.0, 1.0
    mean, deviation = float(target.labels[known].mean()), float(target.labels[known].std())
    return np.where(known, (target.labels - mean) / deviation, 0.0), known, mean, deviation


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
