"""Members as pytrees: many of them cost and give what each alone does, and can be differentiated by their numbers."""

from functools import partial

import jax
import numpy as np
import pytest

from conceal_jax.models.vae import create_model
from conceal_jax.research import begin_member, member_of, stacked, train, update
from conceal_jax.research.members import shape_of
from conceal_jax.research.training import train_members
from conceal_jax.training.autoencoder_step import bind_autoencoder_step
from conceal_jax.training.state import create_optimizer, create_state
from tests.research.conftest import CONFIG, overridden

K = 8
CLIPPED = {"model__bottleneck": "clipped", "model__latent_dim": 4}


def batch_of(items, rows=32):
    labels = {name: values[:rows] for name, values in items.labels.items()}
    return {"image": items.images[:rows], "labels": labels, "mask": items.valid[:rows]}


def test_members_differ_in_numbers_alone():
    first = overridden()
    assert shape_of(first) == shape_of(overridden(objective__beta=9.0, seed=4))
    assert shape_of(first) != shape_of(overridden(model__latent_dim=5))
    assert shape_of(first) != shape_of(overridden(objective__rate_target=3.0))
    assert shape_of(first) != shape_of(overridden(penalty__hsic=1.0))
    assert shape_of(overridden(**CLIPPED, model__noise=1.0)) == shape_of(overridden(**CLIPPED, model__noise=2.0))
    assert shape_of(first) != shape_of(overridden(**CLIPPED))


@pytest.mark.parametrize(
    "settings",
    [
        {"objective__beta": 7.0, "seed": 3, "penalty__hsic": 50.0},
        {"objective__rate_target": 3.0, "penalty__moments": 20.0, "penalty__marginal_kl": 1.0},
        {"model__bottleneck": "finite", "model__levels": (4, 3), "penalty__contrastive": 5.0},
    ],
    ids=["gaussian", "rate target", "finite"],
)
def test_a_member_learns_as_train_py_would(items, attributes, settings):
    config = overridden(**settings)
    model, optimizer = create_model(config), create_optimizer(config.training)
    state = create_state(model, optimizer, config)
    expected, sums = jax.jit(bind_autoencoder_step(model, attributes, optimizer, config))(state, batch_of(items))
    # Where shapes are the same, the configuration's own numbers do not count.
    member, shared = member_of(config), config if "model__levels" in settings else CONFIG
    learn = jax.jit(partial(update, config=shared, attributes=attributes))
    found, other_sums = learn(begin_member(member, config=shared), member, batch_of(items))
    np.testing.assert_allclose(other_sums.totals["loss"], sums.totals["loss"], rtol=1e-5)
    np.testing.assert_allclose(found.log_beta, expected.log_beta, rtol=1e-5)
    for leaf, other_leaf in zip(jax.tree.leaves(expected.params), jax.tree.leaves(found.params), strict=True):
        np.testing.assert_allclose(other_leaf, leaf, atol=1e-5)


def eight():
    return [member_of(overridden(**CLIPPED, model__noise=0.2 * (i + 1), seed=i, penalty__hsic=10.0)) for i in range(K)]


def compiled(function, *arguments):
    return jax.jit(function).lower(*arguments).compile()


def test_eight_members_cost_eight_times_one(items, attributes):
    """Floating point operations of an update, as the compiler counts them in the compiled programs."""
    config = overridden(**CLIPPED)
    one = partial(update, config=config, attributes=attributes)
    members = stacked(eight())
    states = jax.vmap(partial(begin_member, config=config))(members)
    first_state, first = jax.tree.map(lambda leaf: leaf[0], (states, members))
    batch = batch_of(items)
    single = compiled(one, first_state, first, batch).cost_analysis()["flops"]
    many = compiled(jax.vmap(one, in_axes=(0, 0, None)), states, members, batch).cost_analysis()["flops"]
    assert many < 1.1 * K * single
    assert many > 0.8 * K * single


def test_eight_members_in_one_program_learn_what_each_learns_alone(items, attributes):
    """Losses of every step, on one device."""
    alone = jax.jit(partial(train, config=overridden(**CLIPPED), attributes=attributes))
    _, together = jax.jit(jax.vmap(alone, in_axes=(0, None)))(stacked(eight()), items)
    for index, member in enumerate(eight()):
        _, sums = alone(member, items)
        np.testing.assert_allclose(together.totals["loss"][index], sums.totals["loss"], rtol=1e-4)


def test_all_of_training_is_one_expression(items, attributes):
    state, sums = jax.jit(partial(train, config=CONFIG, attributes=attributes))(member_of(CONFIG), items)
    losses = np.asarray(sums.totals["loss"] / sums.count)
    assert losses.shape == (CONFIG.training.steps,)
    assert int(state.step) == CONFIG.training.steps
    in_steps = train_members([CONFIG], items, attributes)
    np.testing.assert_allclose(losses[-CONFIG.training.log_every :].mean(), in_steps.losses[0], rtol=1e-4)
    for leaf, other_leaf in zip(jax.tree.leaves(state.averaged_model()), jax.tree.leaves(in_steps.params), strict=True):
        np.testing.assert_allclose(leaf, other_leaf[0], atol=1e-4)
