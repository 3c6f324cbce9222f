"""What of a photo must survive: kept attributes, and its brightness. The censor is paid for it.

A handful of pixels, such as a smile, counts for little in a squared error: the first thing that a censor would give up.
"""

from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PyTree

from conceal_jax.appearance import LUMINANCE
from conceal_jax.attributes import Attribute, AttributeSet, Categorical, LabelArray
from conceal_jax.models.adversary import skill
from conceal_jax.training.devices import psum


def kept_attributes(attributes: AttributeSet) -> tuple[Attribute, ...]:
    """Those that are declared as kept, and the photo's brightness.

    Not its colour: with mean colour goes the skin's, and whoever must keep it tells ethnicity whatever else is hidden.
    """
    return (*attributes.kept, LUMINANCE)


def create_reader(attributes: AttributeSet) -> nn.Dense:
    """A linear reader of all that is kept: logits of classes, and values."""
    return nn.Dense(sum(_outputs(spec) for spec in kept_attributes(attributes)))


def kept_skills(
    params: PyTree,
    decoded: Float[Array, "batch first"],
    labels: Mapping[str, LabelArray],
    mask: Bool[Array, " batch"],
    attributes: AttributeSet,
    axis_name: str | None,
) -> dict[str, Float[Array, " batch"]]:
    """How well each kept attribute is read, example by example; on average 0 is chance and 1 is everything.

    Args:
        params: of the reader.
        decoded: what it reads.
        labels: of the kept attributes; where one is missing the skill is 0.
        mask: real examples.
        attributes: what is kept.
        axis_name: of the devices that share the batch, if several do.

    Returns:
        By name, for a categorical attribute 1 - cross-entropy / log(classes), for a continuous one 1 - squared error /
        variance in the batch, whose mean is R2.
    """
    answers: Any = create_reader(attributes).apply({"params": params}, decoded)
    skills, start = {}, 0
    for spec in kept_attributes(attributes):
        answer = answers[:, start : start + _outputs(spec)]
        start += _outputs(spec)
        if isinstance(spec, Categorical):
            skills[spec.name] = skill(answer[None], labels, [spec])[spec.name][0]
        else:
            skills[spec.name] = _explained(answer[:, 0], jnp.asarray(labels[spec.name]), mask, axis_name)
    return skills


def _outputs(spec: Attribute) -> int:
    return spec.width if isinstance(spec, Categorical) else 1


def _explained(
    answer: Float[Array, " batch"], values: Float[Array, " batch"], mask: Bool[Array, " batch"], axis_name: str | None
) -> Float[Array, " batch"]:
    """1 - squared error / variance; the answer is in standard deviations from the batch's mean."""
    known = mask & ~jnp.isnan(values)
    values = jnp.where(known, values, 0.0)
    count = jnp.maximum(psum(jnp.sum(known, dtype=jnp.float32), axis_name), 1.0)
    mean = psum(jnp.sum(values), axis_name) / count
    deviations = jnp.where(known, values - mean, 0.0)
    scale = jax.lax.rsqrt(psum(jnp.sum(jnp.square(deviations)), axis_name) / count + 1e-12)
    return jnp.where(known, 1.0 - jnp.square(answer - scale * deviations), 0.0)
