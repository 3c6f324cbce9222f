import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from conceal_jax.config import files as config_files
from conceal_jax.models.classical import ClassicalDecoder, ClassicalEncoder, strided_by_squares, transposed_by_squares
from conceal_jax.models.vae import create_model, init_params

FLOAT32 = jnp.dtype("float32")
FLAX_STRIDED = nn.Conv(24, (3, 3), strides=2, padding=1, use_bias=False)
FLAX_TRANSPOSED = nn.ConvTranspose(24, (3, 3), (2, 2), padding=((1, 2), (1, 2)), use_bias=False)
FORMS = [(strided_by_squares, FLAX_STRIDED), (transposed_by_squares, FLAX_TRANSPOSED)]


@pytest.mark.parametrize(("height", "width", "channels"), [(2, 2, 16), (8, 6, 3), (16, 16, 8)])
@pytest.mark.parametrize(("by_squares", "layer"), FORMS)
def test_the_cpu_form_equals_flax_forward_and_backward(by_squares, layer, height, width, channels):
    images = jax.random.normal(jax.random.key(0), (3, height, width, channels))
    kernel = jax.random.normal(jax.random.key(1), (3, 3, channels, 24)) / np.sqrt(9 * channels)
    ours, our_gradients = jax.vjp(by_squares, images, kernel)
    theirs, their_gradients = jax.vjp(
        lambda images, kernel: layer.apply({"params": {"kernel": kernel}}, images), images, kernel
    )
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)
    cotangent = jax.random.normal(jax.random.key(2), theirs.shape)
    for our, their in zip(our_gradients(cotangent), their_gradients(cotangent), strict=True):
        np.testing.assert_allclose(our, their, rtol=1e-4, atol=1e-4)


def test_the_transposed_convolution_is_the_adjoint_of_the_strided_one():
    images = jax.random.normal(jax.random.key(0), (2, 8, 8, 3))
    maps = jax.random.normal(jax.random.key(1), (2, 4, 4, 5))
    kernel = jax.random.normal(jax.random.key(2), (3, 3, 3, 5))
    back = transposed_by_squares(maps, kernel[::-1, ::-1].swapaxes(2, 3))
    np.testing.assert_allclose(jnp.vdot(strided_by_squares(images, kernel), maps), jnp.vdot(images, back), rtol=1e-4)


@pytest.mark.parametrize(
    ("module", "shape", "native"),
    [
        (ClassicalEncoder((8, 16), FLOAT32), (1, 16, 16, 3), "stride = [2, 2]"),
        (ClassicalDecoder(16, (8, 16), FLOAT32), (1, 5), "lhs_dilate = [2, 2]"),
    ],
)
def test_layers_run_in_their_cpu_form_on_a_cpu_only(module, shape, native):
    inputs = jax.ShapeDtypeStruct(shape, FLOAT32)
    params = jax.eval_shape(module.init, jax.random.key(0), inputs)
    traced = jax.jit(module.apply).trace(params, inputs)
    counts = {
        platform: traced.lower(lowering_platforms=(platform,)).as_text().count(native)
        for platform in ("cpu", "cuda", "tpu")
    }
    assert counts == {"cpu": 0, "cuda": 2, "tpu": 2}


def test_the_network_of_a_configuration():
    overrides = {"model.network": "classical", "model.widths": "(8, 16, 24)", "model.patch": "5"}
    config = config_files.load_config("configs/demo.py:shrunken", overrides)
    model = create_model(config)
    params = jax.eval_shape(lambda: init_params(model, config, jax.random.key(0)))
    assert params["encoder"]["Conv_2"]["kernel"].shape == (3, 3, 16, 24)
    shapes = (2, 32, 32, 3), (2, config.attributes.width), (2, model.latent_dim)
    logits = jax.eval_shape(
        lambda params, *inputs: model.apply({"params": params}, *inputs).logits,
        params,
        *(jax.ShapeDtypeStruct(shape, FLOAT32) for shape in shapes),
    )
    assert logits.shape == (2, 32, 32, 3)
    with pytest.raises(ValueError, match="halved 5 times"):
        config_files.load_config("configs/demo.py:shrunken", overrides | {"model.widths": "(8, 8, 8, 8, 8)"})
