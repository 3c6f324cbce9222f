import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conceal_jax.models.layers import Dense, GroupNorm, ResidualBlock, depth_to_space, space_to_depth


@given(st.integers(1, 3), st.sampled_from([1, 2, 4]), st.integers(1, 3), st.integers(0, 99))
def test_depth_to_space_inverts_space_to_depth(cells, block, channels, seed):
    images = np.random.default_rng(seed).normal(size=(2, cells * block, cells * block, channels))
    deep = space_to_depth(jnp.asarray(images, jnp.float32), block)
    assert deep.shape == (2, cells, cells, block * block * channels)
    np.testing.assert_array_equal(depth_to_space(deep, block), images.astype(np.float32))


def test_space_to_depth_and_dense_are_a_strided_convolution():
    images = jax.random.normal(jax.random.key(0), (2, 8, 8, 3))
    kernel = jax.random.normal(jax.random.key(1), (4, 4, 3, 5))
    strided = jax.lax.conv_general_dilated(images, kernel, (4, 4), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"))
    np.testing.assert_allclose(space_to_depth(images, 4) @ kernel.reshape(48, 5), strided, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("bfloat16", 1e-2)])
def test_dense_equals_flax_forward_and_in_gradients(dtype, tolerance):
    images = jax.random.normal(jax.random.key(0), (3, 4, 5, 6))
    theirs = nn.Dense(7, dtype=dtype)
    ours = Dense(7, jnp.dtype(dtype))
    params = theirs.init(jax.random.key(1), images)
    jax.tree.map(np.testing.assert_array_equal, ours.init(jax.random.key(1), images), params)

    def total(layer):
        return lambda params, images: jnp.square(layer.apply(params, images)).astype(jnp.float32).sum()

    for ours_, theirs_ in zip(
        jax.tree.leaves(jax.grad(total(ours), argnums=(0, 1))(params, images)),
        jax.tree.leaves(jax.grad(total(theirs), argnums=(0, 1))(params, images)),
        strict=True,
    ):
        assert ours_.dtype == theirs_.dtype
        np.testing.assert_allclose(ours_, theirs_, rtol=tolerance, atol=tolerance * np.abs(theirs_).max())


@pytest.mark.parametrize("offset", [0.0, 100.0])
def test_group_norm_equals_flax(offset):
    images = offset + jax.random.normal(jax.random.key(0), (3, 4, 5, 24)) * jnp.arange(1, 25)
    params = {"scale": jax.random.normal(jax.random.key(1), (24,)), "bias": jax.random.normal(jax.random.key(2), (24,))}
    ours = GroupNorm().apply({"params": params}, images)
    theirs = nn.GroupNorm(num_groups=3).apply({"params": params}, images)
    np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-3)


def test_group_norm_of_constant_maps_is_finite():
    images = jnp.full((1, 4, 4, 8), 1e4)
    normed, params = GroupNorm().init_with_output(jax.random.key(0), images)
    gradient = jax.grad(lambda x: GroupNorm().apply(params, x).sum())(images)
    assert np.isfinite(normed).all()
    assert np.isfinite(gradient).all()


def test_residual_block_starts_as_the_identity():
    images = jax.random.normal(jax.random.key(0), (2, 4, 4, 8))
    block = ResidualBlock(jnp.dtype("float32"))
    output, _ = block.init_with_output(jax.random.key(1), images)
    np.testing.assert_array_equal(output, images)
