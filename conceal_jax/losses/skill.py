"""Skill, the unit of what is read of an attribute: 1 - cross-entropy / log(classes); 0 is chance, 1 is everything."""

from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from conceal_jax.attributes import MISSING_CLASS, Attribute, Categorical, LabelArray

MAX_CLASS_WEIGHT = 10.0
"""A class so rare that balance would let it count more than this in every example counts less than the others."""


def skill(
    logits: Float[Array, "members batch outputs"], labels: Mapping[str, LabelArray], specs: Sequence[Attribute]
) -> dict[str, Float[Array, "members batch"]]:
    """The skill of each member at each attribute, example by example.

    Classes are balanced by their share among the training people (the neutral vector), so that a constant answer has
    no skill on average. A continuous attribute's classes are its knots, with the weights of its encoding as soft
    labels: a small error costs little.

    Args:
        logits: of the label vector, attribute by attribute in the order of `specs`.
        labels: by attribute [B]; where one is missing the skill is 0.
        specs: the attributes.
    """
    ends = np.cumsum([spec.width for spec in specs])
    parts = jnp.split(logits, ends[:-1], axis=-1)
    return {spec.name: _skill(part, labels[spec.name], spec) for spec, part in zip(specs, parts, strict=True)}


def _skill(
    logits: Float[Array, "members batch classes"], labels: LabelArray, spec: Attribute
) -> Float[Array, "members batch"]:
    targets = spec.encode(labels) * _class_weights(spec)
    entropies = -jnp.sum(targets * jax.nn.log_softmax(logits), axis=-1) / np.log(spec.width)
    return jnp.where(_known(labels, spec), jnp.sum(targets, axis=-1) - entropies, 0.0)


def _known(labels: LabelArray, spec: Attribute) -> Bool[Array, " batch"]:
    return jnp.asarray(labels) != MISSING_CLASS if isinstance(spec, Categorical) else ~jnp.isnan(labels)


def _class_weights(spec: Attribute) -> np.ndarray:
    shares = spec.neutral_vector()
    return np.minimum(1 / (spec.width * np.maximum(shares, 1e-6)), MAX_CLASS_WEIGHT).astype(np.float32)
