import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from conceal_jax.models.layers import ResidualBlocks, depth_to_space, group_norm, space_to_depth

FLOAT32 = jnp.dtype("float32")


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


def test_group_norm_of_constant_maps_is_finite():
    images, norm = jnp.full((1, 4, 4, 8), 1e4), group_norm(FLOAT32)
    normed, params = norm.init_with_output(jax.random.key(0), images)
    gradient = jax.grad(lambda x: norm.apply(params, x).sum())(images)
    assert np.isfinite(normed).all()
    assert np.isfinite(gradient).all()


def test_residual_blocks_start_as_the_identity():
    images = jax.random.normal(jax.random.key(0), (2, 4, 4, 8))
    output, _ = ResidualBlocks(2, FLOAT32, remat=False).init_with_output(jax.random.key(1), images)
    np.testing.assert_array_equal(output, images)


def test_rematerialised_blocks_have_the_same_parameters_and_gradients():
    images = jax.random.normal(jax.random.key(0), (2, 4, 4, 8))
    plain, again = (ResidualBlocks(2, FLOAT32, remat=remat) for remat in (False, True))
    params = jax.tree.map(lambda leaf: leaf + 0.1, plain.init(jax.random.key(1), images))
    gradients, expected = (
        jax.grad(lambda params, blocks=blocks: jnp.square(blocks.apply(params, images)).sum())(params)
        for blocks in (again, plain)
    )
    jax.tree.map(lambda left, right: np.testing.assert_allclose(left, right, rtol=1e-4), gradients, expected)
