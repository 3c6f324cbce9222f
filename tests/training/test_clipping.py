import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conceal_jax.training.clipping import clip_by_global_norm, global_norm


def tree_of(seed, scale):
    kernel, bias, number = (
        jax.random.normal(jax.random.key(seed + at), shape) for at, shape in enumerate(((32, 5), (7,), ()))
    )
    return jax.tree.map(lambda leaf: leaf * scale, {"kernel": kernel, "inner": {"bias": bias, "number": number}})


@given(st.integers(0, 99), st.floats(1e-3, 1e3))
def test_clipping_equals_optax(seed, scale):
    tree = tree_of(seed, scale)
    np.testing.assert_allclose(global_norm(tree), optax.tree.norm(tree), rtol=1e-5)
    ours, theirs = clip_by_global_norm(1.0), optax.clip_by_global_norm(1.0)
    clipped, expected = (each.update(tree, each.init(tree))[0] for each in (ours, theirs))
    jax.tree.map(lambda left, right: np.testing.assert_allclose(left, right, rtol=1e-5), clipped, expected)


def test_small_gradients_and_none_are_left_alone():
    for tree in (tree_of(0, 1e-3), tree_of(0, 0.0)):
        clipped, _ = clip_by_global_norm(1.0).update(tree, optax.EmptyState())
        jax.tree.map(np.testing.assert_array_equal, clipped, tree)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_stays_so(bad):
    tree = {"kernel": jnp.zeros((16, 2)).at[3, 1].set(bad)}
    clipped, _ = clip_by_global_norm(1.0).update(tree, optax.EmptyState())
    assert not np.isfinite(clipped["kernel"]).all()
