import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conceal_jax.models.decoder import Decoder
from conceal_jax.models.encoder import Encoder
from conceal_jax.models.layers import Dense, GroupNorm, ResidualBlock, depth_to_space, on_grid, space_to_depth, squares

FLOAT32 = jnp.dtype("float32")


@given(st.integers(1, 3), st.sampled_from([1, 2, 4]), st.integers(1, 3), st.integers(0, 99))
def test_depth_to_space_inverts_space_to_depth(cells, block, channels, seed):
    images = np.random.default_rng(seed).normal(size=(2, cells * block, cells * block, channels))
    deep = space_to_depth(jnp.asarray(images, jnp.float32), block)
    assert deep.shape == (2, cells, cells, block * block * channels)
    np.testing.assert_array_equal(depth_to_space(deep, block), images.astype(np.float32))


def test_squares_cut_at_once_are_those_cut_one_after_the_other():
    images = jax.random.normal(jax.random.key(0), (2, 16, 32, 3))
    deep = space_to_depth(space_to_depth(space_to_depth(images, 4), 2), 2)
    np.testing.assert_array_equal(space_to_depth(images, 2, 2, 4), deep)
    np.testing.assert_array_equal(depth_to_space(deep, 2, 2, 4), images)


def test_squares_cut_by_columns_are_those_cut_by_values():
    images = jax.random.normal(jax.random.key(0), (2, 16, 32, 3))
    np.testing.assert_array_equal(squares(images, 4), space_to_depth(images, 4))


def test_layers_on_a_map_in_nested_order_see_its_grid():
    images = jax.random.normal(jax.random.key(0), (2, 8, 8, 3))
    nested = space_to_depth(images, 2, 2).reshape(2, 64, 3)
    conv = nn.Conv(3, (3, 3), parent=None)
    bound = conv.bind(conv.init(jax.random.key(1), images))
    expected = space_to_depth(bound(images), 2, 2).reshape(2, 64, 3)
    np.testing.assert_allclose(on_grid([bound], nested, side=2), expected, rtol=1e-5, atol=1e-5)


def with_gradients(function, *inputs):
    """What a function gives, and the gradients of the sum of its squares."""
    gradients = jax.grad(lambda *inputs: jnp.square(function(*inputs)).sum(), argnums=(0, 1))(*inputs)
    return jax.tree.leaves((function(*inputs), gradients))


def assert_equal_with_gradients(ours, theirs, *inputs):
    for our, their in zip(with_gradients(ours, *inputs), with_gradients(theirs, *inputs), strict=True):
        np.testing.assert_allclose(our, their, rtol=1e-4, atol=1e-4 * np.abs(their).max())


def random_parameters(module, inputs):
    """None of them the zeros or ones that they start as."""
    params = module.init(jax.random.key(0), inputs)["params"]
    generator = np.random.default_rng(0)
    return jax.tree.map(lambda leaf: leaf + 0.3 * generator.normal(size=leaf.shape).astype(np.float32), params)


@pytest.mark.parametrize(("patch", "blocks"), [(4, (0, 0, 0)), (1, (0, 0, 0)), (2, (0, 1, 0, 0))])
def test_the_encoder_equals_strided_convolutions_forward_and_backward(patch, blocks):
    images = jax.random.uniform(jax.random.key(1), (3, 32, 32, 3))
    encoder = Encoder(patch, (8, 16, 24, 32)[: len(blocks)], blocks, FLOAT32)

    def native(params, images):
        hidden = images * 2.0 - 1.0
        for level, count in enumerate(blocks):
            layer, block = params[f"Dense_{level}"], 2 if level else patch
            kernel = layer["kernel"].reshape(block, block, hidden.shape[-1], -1)
            conv = nn.Conv(kernel.shape[-1], (block, block), (block, block), "VALID")
            hidden = conv.apply({"params": {**layer, "kernel": kernel}}, hidden)
            if count:
                hidden = ResidualBlock(FLOAT32).apply({"params": params["ResidualBlock_0"]}, hidden)
        normed = nn.GroupNorm(hidden.shape[-1] // 8).apply({"params": params["GroupNorm_0"]}, hidden)
        return nn.silu(normed).reshape(len(images), -1)

    params = random_parameters(encoder, images)
    assert_equal_with_gradients(
        lambda params, images: encoder.apply({"params": params}, images), native, params, images
    )


def test_the_decoder_equals_dense_layers_on_grids_forward_and_backward():
    codes = jax.random.normal(jax.random.key(1), (3, 10))
    decoder = Decoder(32, 4, (8, 16, 24), (0, 0, 0), FLOAT32)

    def native(params, codes):
        def dense(index, inputs):
            layer = params[f"Dense_{index}"]
            return nn.Dense(layer["bias"].size).apply({"params": layer}, inputs)

        hidden = dense(0, codes).reshape(3, 2, 2, 24)
        for index in (1, 2):
            hidden = depth_to_space(dense(index, hidden), 2)
        hidden = nn.silu(nn.GroupNorm(1).apply({"params": params["GroupNorm_0"]}, hidden))
        return depth_to_space(dense(3, hidden), 4)

    params = random_parameters(decoder, codes)
    assert_equal_with_gradients(lambda params, codes: decoder.apply({"params": params}, codes), native, params, codes)


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


def test_gradients_of_group_norm_equal_those_of_flax():
    images = 1.0 + jax.random.normal(jax.random.key(0), (3, 4, 5, 24)) * jnp.arange(1, 25)
    weights = jax.random.normal(jax.random.key(1), images.shape)
    params = random_parameters(GroupNorm(), images)
    ours, theirs = (
        lambda params, images, norm=norm: weights * norm.apply({"params": params}, images)
        for norm in (GroupNorm(), nn.GroupNorm(num_groups=3))
    )
    assert_equal_with_gradients(ours, theirs, params, images)


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
