"""The adversaries' part in a training step: what they read, what the censor pays for it, and how they learn."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int, PyTree

from conceal_jax.attributes import AttributeSet, LabelArray
from conceal_jax.config import AdversaryConfig, Config
from conceal_jax.models.adversary import AdversaryEnsemble, confidence, skill
from conceal_jax.runtime.collectives import psum

Views = Mapping[str, Array]
"""What adversaries see of the same examples, by name: [B, length] each."""

Rows = Bool[Array, " batch"]

TARGET_RATE = 0.01
"""Step size of the logarithm of a weight that rises until its attribute is hidden."""


class AdversaryState(flax.struct.PyTreeNode):
    """What the adversaries have learned.

    Attributes:
        params: of an ensemble for each view.
        opt_state: of their optimiser.
        log_weights: float32 [attributes], by how much each attribute's weight has risen.
    """

    params: PyTree
    opt_state: PyTree
    log_weights: Any


@dataclasses.dataclass(frozen=True)
class Adversaries:
    """Pure functions bound to a configuration; all that changes travels in `AdversaryState`.

    Attributes:
        config: of the run.
        attributes: with the marginals of the training people, by which classes are balanced.
        lengths: of the views, by name.
    """

    config: Config
    attributes: AttributeSet
    lengths: Mapping[str, int]

    def begin(self, key: Array) -> AdversaryState:
        """Members that have learned nothing, and no weight risen."""
        params = self._fresh(key)
        weights = jnp.zeros(len(self.attributes.concealed))
        return AdversaryState(params, self._optimizer().init(params), weights)

    def charge(
        self, state: AdversaryState, views: Views, labels: Mapping[str, LabelArray], mask: Rows, axis_name: str | None
    ) -> tuple[Float[Array, " batch"], dict[str, Float[Array, " batch"]]]:
        """What the censor pays for, in full skills summed over attributes and views, and the skills by attribute.

        Members that read worse than chance in the whole batch are not counted: there is nothing to hide from them, and
        a censor rewarded for misleading them throws its codes about.
        """
        loss, weights = self.config.adversary.loss, self._weights(state)
        total = jnp.zeros(len(mask))
        read: dict[str, Array] = {spec.name: jnp.zeros(len(mask)) for spec in self.attributes.concealed}
        for logits in self._logits(state.params, views).values():
            skills = skill(logits, labels, self.attributes.concealed)
            paid = skills if loss == "likelihood" else confidence(logits, labels, self.attributes.concealed)
            for index, (name, each) in enumerate(paid.items()):
                total += weights[index] * _better_than_chance(each, mask, axis_name).mean(axis=0)
                read[name] += skills[name].mean(axis=0) / len(views)
        return total, read

    def learn(
        self,
        state: AdversaryState,
        views: Views,
        labels: Mapping[str, LabelArray],
        mask: Rows,
        axis_name: str | None,
    ) -> tuple[AdversaryState, Float[Array, "views members"]]:
        """One update of every member, and what each read before it."""
        count = jnp.maximum(psum(jnp.sum(mask, dtype=jnp.float32), axis_name), 1.0)

        def lack(params: PyTree) -> tuple[Array, Array]:
            read = [self._members(logits, labels, mask) / count for logits in self._logits(params, views).values()]
            return -jnp.stack(read).sum(), jnp.stack(read)

        gradients, read = psum(jax.grad(lack, has_aux=True)(state.params), axis_name)
        changes, opt_state = self._optimizer().update(gradients, state.opt_state, state.params)
        return state.replace(params=optax.apply_updates(state.params, changes), opt_state=opt_state), read

    def restart(
        self, state: AdversaryState, read: Float[Array, "views members"], step: Int[Array, ""], key: Array
    ) -> AdversaryState:
        """Every so many steps, the member of each view that reads least starts anew: it is stuck in a blind spot."""
        every = self.config.adversary.restart_every
        if not every:
            return state

        def renewed(params: PyTree) -> PyTree:
            fresh = self._fresh(key)
            return {
                view: {
                    name: _choose(weakest == int(name.removeprefix("member_")), fresh[view][name], params[view][name])
                    for name in params[view]
                }
                for view, weakest in zip(self.lengths, jnp.argmin(read, axis=1), strict=True)
            }

        due = (step + 1) % every == 0
        return state.replace(params=jax.lax.cond(due, renewed, lambda params: params, state.params))

    def raised(self, state: AdversaryState, skills: Float[Array, " attributes"]) -> AdversaryState:
        """Weights of attributes read above the target rise, by how far they are above it."""
        target = self.config.penalty.target
        if target is None:
            return state
        return state.replace(log_weights=state.log_weights + TARGET_RATE * jnp.clip(skills / target - 1.0, 0.0, 1.0))

    def _weights(self, state: AdversaryState) -> Float[Array, " attributes"]:
        given = self.config.penalty.attribute_weights or (1.0,) * len(self.attributes.concealed)
        return jnp.asarray(given) * jnp.exp(state.log_weights)

    def _members(self, logits: Array, labels: Mapping[str, LabelArray], mask: Rows) -> Float[Array, " members"]:
        each = skill(logits, labels, self.attributes.concealed).values()
        return jnp.sum(jnp.stack([jnp.sum(jnp.where(mask, skills, 0.0), axis=1) for skills in each]), axis=0)

    def _logits(self, params: PyTree, views: Views) -> dict[str, Array]:
        answers: dict[str, Any] = {
            view: self._ensemble().apply({"params": params[view]}, seen) for view, seen in views.items()
        }
        return answers

    def _fresh(self, key: Array) -> PyTree:
        return {
            view: self._ensemble().init(jax.random.fold_in(key, index), jnp.zeros((1, length)))["params"]
            for index, (view, length) in enumerate(self.lengths.items())
        }

    def _ensemble(self) -> AdversaryEnsemble:
        return AdversaryEnsemble(self.config.adversary.widths, self.attributes.width)

    def _optimizer(self) -> optax.GradientTransformation:
        return adversary_optimizer(self.config.adversary)


def adversary_optimizer(config: AdversaryConfig) -> optax.GradientTransformation:
    """Adam with weight decay, at a constant rate: the members chase a moving target."""
    return optax.adamw(config.learning_rate, weight_decay=1e-3)


def _better_than_chance(
    read: Float[Array, "members batch"], mask: Rows, axis_name: str | None
) -> Float[Array, "members batch"]:
    total = psum(jax.lax.stop_gradient(jnp.sum(jnp.where(mask, read, 0.0), axis=1)), axis_name)
    return jnp.where((total > 0)[:, None], read, 0.0)


def _choose(condition: Array, new: PyTree, old: PyTree) -> PyTree:
    return jax.tree.map(lambda fresh, grown: jnp.where(condition, fresh, grown), new, old)
