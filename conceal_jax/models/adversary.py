"""Adversaries: perceptrons that read labels from codes and train along with the censor, which learns to defeat them."""

from collections.abc import Mapping, Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from conceal_jax.attributes import MISSING_CLASS, Attribute, Categorical, LabelArray

MAX_CLASS_WEIGHT = 10.0
"""A class so rare that balancing would weight it more than this keeps this weight."""


class AdversaryEnsemble(nn.Module):
    """Perceptrons of different widths and norms side by side; each reads several attributes at once.

    Attributes:
        widths: hidden units of the members' two layers; 0 for a linear member. Every other one normalises its layers.
        outputs: length of the attributes' label vector.
    """

    widths: tuple[int, ...]
    outputs: int

    @nn.compact
    def __call__(self, codes: Float[Array, "batch latent"]) -> Float[Array, "members batch outputs"]:
        """Logits of the label vector, attribute by attribute."""
        members = [
            _Member(width, index % 2 == 1, self.outputs, name=f"member_{index}")(codes)
            for index, width in enumerate(self.widths)
        ]
        return jnp.stack(members)


class _Member(nn.Module):
    width: int
    normalised: bool
    outputs: int

    @nn.compact
    def __call__(self, codes: Float[Array, "batch latent"]) -> Float[Array, "batch outputs"]:
        hidden = codes
        for _ in range(2 if self.width else 0):
            hidden = nn.Dense(self.width)(hidden)
            hidden = nn.silu(nn.LayerNorm()(hidden) if self.normalised else hidden)
        return nn.Dense(self.outputs)(hidden)


def skill(
    logits: Float[Array, "members batch outputs"], labels: Mapping[str, LabelArray], specs: Sequence[Attribute]
) -> dict[str, Float[Array, "members batch"]]:
    """What each member reads of each attribute, example by example: 1 - cross-entropy / log(classes).

    Classes are balanced by their share among the training people (the neutral vector, where it is known), so that on
    average 0 is chance and 1 is everything. A continuous attribute's classes are its knots, with the weights of its
    encoding as soft labels: to be wrong by a little costs little. 0 where the label is missing.
    """
    parts = _parts(logits, specs)
    return {spec.name: _skill(parts[spec.name], labels[spec.name], spec) for spec in specs}


def confidence(
    logits: Float[Array, "members batch outputs"], labels: Mapping[str, LabelArray], specs: Sequence[Attribute]
) -> dict[str, Float[Array, "members batch"]]:
    """How far each member's answers are from saying nothing: the KL of a uniform answer from them / log(classes).

    Members learn from balanced classes, so that to them the prior is uniform. 0 where the label is missing.
    """
    parts = _parts(logits, specs)
    return {
        spec.name: jnp.where(
            _known(labels[spec.name], spec),
            -jnp.mean(jax.nn.log_softmax(parts[spec.name]), axis=-1) / np.log(spec.width) - 1.0,
            0.0,
        )
        for spec in specs
    }


def _parts(logits: Float[Array, "members batch outputs"], specs: Sequence[Attribute]) -> dict[str, Array]:
    """Each attribute's part of the label vector."""
    ends = np.cumsum([spec.width for spec in specs])
    names = [spec.name for spec in specs]
    return dict(zip(names, jnp.split(logits, ends[:-1], axis=-1), strict=True))


def _skill(logits: Float[Array, "members batch classes"], labels: LabelArray, spec: Attribute) -> Array:
    targets = spec.encode(labels) * _class_weights(spec)
    entropies = -jnp.sum(targets * jax.nn.log_softmax(logits), axis=-1) / np.log(spec.width)
    return jnp.where(_known(labels, spec), jnp.sum(targets, axis=-1) - entropies, 0.0)


def _known(labels: LabelArray, spec: Attribute) -> Array:
    return jnp.asarray(labels) != MISSING_CLASS if isinstance(spec, Categorical) else ~jnp.isnan(labels)


def _class_weights(spec: Attribute) -> np.ndarray:
    shares = spec.neutral_vector()
    return np.minimum(1 / (spec.width * np.maximum(shares, 1e-6)), MAX_CLASS_WEIGHT).astype(np.float32)
