"""The adversarial loss: `adversarial_charge` is what the censor pays, `update_adversaries` is how adversaries learn.

Adversaries read several views of the same examples, and each view has an ensemble of its own. The functions are pure;
all that changes is in `AdversaryState`.
"""

from collections.abc import Mapping
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, PRNGKeyArray, PyTree

from conceal_jax.attributes import AttributeSet, LabelArray
from conceal_jax.config import AdversaryConfig, Config
from conceal_jax.losses.skill import skill
from conceal_jax.models.adversary import AdversaryEnsemble
from conceal_jax.runtime.collectives import psum

Views = Mapping[str, Float[Array, "batch length"]]
"""What adversaries read of the same examples, by name."""

Rows = Bool[Array, " batch"]


class AdversaryState(flax.struct.PyTreeNode):
    """What the adversaries have learned.

    Attributes:
        params: of an ensemble for each view.
        opt_state: of their optimiser.
    """

    params: PyTree
    opt_state: PyTree


def create_adversaries(
    key: PRNGKeyArray, lengths: Mapping[str, int], config: AdversaryConfig, outputs: int
) -> AdversaryState:
    """Adversaries that have learned nothing.

    Args:
        key: of their parameters.
        lengths: of the views, by name.
        config: of the ensembles.
        outputs: length of the label vector.
    """
    ensemble = AdversaryEnsemble(config.widths, outputs)
    params = {
        view: ensemble.init(jax.random.fold_in(key, index), jnp.zeros((1, length)))["params"]
        for index, (view, length) in enumerate(lengths.items())
    }
    return AdversaryState(params, adversary_optimizer(config).init(params))


def adversarial_charge(
    params: PyTree,
    views: Views,
    labels: Mapping[str, LabelArray],
    mask: Rows,
    *,
    attributes: AttributeSet,
    config: Config,
    axis_name: str | None = None,
) -> tuple[Float[Array, " batch"], dict[str, Float[Array, " batch"]]]:
    """What the censor pays for what adversaries read, example by example.

    Members that read worse than chance in the whole batch are not counted: there is nothing to hide from them, and a
    censor rewarded for misleading them throws its codes about.

    Args:
        params: of the adversaries; they do not learn from this.
        views: what they read.
        labels: of the concealed attributes [B].
        mask: real examples.
        attributes: with the marginals of the training people, by which classes are balanced.
        config: of the run.
        axis_name: of the devices that share the batch, if several do.

    Returns:
        The charge in nats: `penalty.adversary` times the members' mean skill, summed over views and weighted
        attributes. And the mean skill by attribute.
    """
    weights = config.penalty.attribute_weights or (1.0,) * len(attributes.concealed)
    total = jnp.zeros(len(mask))
    read: dict[str, Array] = {spec.name: jnp.zeros(len(mask)) for spec in attributes.concealed}
    for logits in _logits(params, views, config.adversary, attributes.width).values():
        skills = skill(logits, labels, attributes.concealed)
        for weight, (name, each) in zip(weights, skills.items(), strict=True):
            total += weight * _better_than_chance(each, mask, axis_name).mean(axis=0)
            read[name] += each.mean(axis=0) / len(views)
    return config.penalty.adversary * total, read


def update_adversaries(
    state: AdversaryState,
    views: Views,
    labels: Mapping[str, LabelArray],
    mask: Rows,
    *,
    attributes: AttributeSet,
    config: AdversaryConfig,
    axis_name: str | None = None,
) -> AdversaryState:
    """One update of every member towards more skill; the arguments are those of `adversarial_charge`."""
    count = jnp.maximum(psum(jnp.sum(mask, dtype=jnp.float32), axis_name), 1.0)

    def loss(params: PyTree) -> Float[Array, ""]:
        total = jnp.zeros(())
        for logits in _logits(params, views, config, attributes.width).values():
            for each in skill(logits, labels, attributes.concealed).values():
                total -= jnp.sum(jnp.where(mask, each, 0.0)) / count
        return total

    gradients = psum(jax.grad(loss)(state.params), axis_name)
    changes, opt_state = adversary_optimizer(config).update(gradients, state.opt_state, state.params)
    return AdversaryState(optax.apply_updates(state.params, changes), opt_state)


def adversary_optimizer(config: AdversaryConfig) -> optax.GradientTransformation:
    """Adam with weight decay, at a constant rate: the members chase a moving target."""
    return optax.adamw(config.learning_rate, weight_decay=1e-3)


def _logits(params: PyTree, views: Views, config: AdversaryConfig, outputs: int) -> dict[str, Any]:
    ensemble = AdversaryEnsemble(config.widths, outputs)
    return {view: ensemble.apply({"params": params[view]}, values) for view, values in views.items()}


def _better_than_chance(
    skills: Float[Array, "members batch"], mask: Rows, axis_name: str | None
) -> Float[Array, "members batch"]:
    total = psum(jax.lax.stop_gradient(jnp.sum(jnp.where(mask, skills, 0.0), axis=1)), axis_name)
    return jnp.where((total > 0)[:, None], skills, 0.0)
