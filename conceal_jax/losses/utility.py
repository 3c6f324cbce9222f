"""The utility loss: the censor is paid for what a linear reader reads of kept attributes and of brightness.

A small detail, such as a smile, counts for little in a squared error, so a censor would give it up first. The reader
also reads colour, but the censor is not paid for it: the colour of skin leaks ethnicity. Adversaries read that colour.
"""

from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PyTree

from conceal_jax.attributes import Attribute, AttributeSet, Categorical, LabelArray
from conceal_jax.attributes.appearance import APPEARANCE, LUMINANCE
from conceal_jax.config import CensorConfig
from conceal_jax.losses.skill import skill
from conceal_jax.runtime.collectives import psum

COLOUR = tuple(spec for spec in APPEARANCE if spec != LUMINANCE)


def has_reader(config: CensorConfig) -> bool:
    """Whether the configuration pays for anything kept, which needs a reader."""
    return config.kept > 0 or config.brightness > 0


def create_reader(attributes: AttributeSet) -> nn.Dense:
    """A linear reader of kept attributes, brightness and colour: logits of classes, and values."""
    return nn.Dense(sum(_outputs(spec) for spec in _read(attributes)))


def read_colour(
    params: PyTree, decoded: Float[Array, "batch first"], attributes: AttributeSet
) -> Float[Array, "batch colour"]:
    """Both colours in standard deviations, as the reader reads them; no gradient reaches the reader."""
    answers: Any = create_reader(attributes).apply({"params": jax.lax.stop_gradient(params)}, decoded)
    return answers[:, -len(COLOUR) :]


def kept_skills(
    params: PyTree,
    decoded: Float[Array, "batch first"],
    labels: Mapping[str, LabelArray],
    mask: Bool[Array, " batch"],
    attributes: AttributeSet,
    axis_name: str | None,
) -> dict[str, Float[Array, " batch"]]:
    """The reader's skill at each kept attribute, example by example; on average 0 is chance and 1 is everything.

    The skill at colour has no gradient in `decoded`: it teaches the reader alone.

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
    reader = create_reader(attributes)
    paid: Any = reader.apply({"params": params}, decoded)
    unpaid: Any = reader.apply({"params": params}, jax.lax.stop_gradient(decoded))
    skills, start = {}, 0
    for spec in _read(attributes):
        answers = unpaid if spec in COLOUR else paid
        answer = answers[:, start : start + _outputs(spec)]
        start += _outputs(spec)
        if isinstance(spec, Categorical):
            skills[spec.name] = skill(answer[None], labels, [spec])[spec.name][0]
        else:
            skills[spec.name] = _explained(answer[:, 0], jnp.asarray(labels[spec.name]), mask, axis_name)
    return skills


def utility_payment(skills: Mapping[str, Float[Array, " batch"]], config: CensorConfig) -> Float[Array, " batch"]:
    """Nats that the censor is paid for these skills, example by example; one nat for colour teaches the reader."""
    appearance = {LUMINANCE.name: config.brightness} | {spec.name: 1.0 for spec in COLOUR}
    return sum((appearance.get(name, config.kept) * each for name, each in skills.items()), jnp.zeros(()))


def _read(attributes: AttributeSet) -> tuple[Attribute, ...]:
    return (*attributes.kept, LUMINANCE, *COLOUR)


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
