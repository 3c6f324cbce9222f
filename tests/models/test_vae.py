import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export

from conceal_jax.config import files as config_files
from conceal_jax.models.bottleneck import LOG_VARIANCE_BOUND, rate_per_dimension
from conceal_jax.models.vae import create_model, init_params

CONFIG = config_files.load_config("configs/demo.py:shrunken")
MODEL = create_model(CONFIG)
PARAMS = init_params(MODEL, CONFIG, jax.random.key(0))
IMAGES = jax.random.uniform(jax.random.key(1), (4, 32, 32, 3))
LABELS = jnp.tile(CONFIG.attributes.neutral_vector(), (4, 1))
NOISE = jax.random.normal(jax.random.key(2), (4, MODEL.latent_dim))


def apply(method, *arguments):
    return MODEL.apply({"params": PARAMS}, *arguments, method=method)


def test_conceal_is_encode_sample_decode():
    codes = apply("sample", apply("encode", IMAGES), NOISE)
    np.testing.assert_allclose(apply("conceal", IMAGES, LABELS, NOISE), apply("decode", codes, LABELS), rtol=1e-6)


def test_training_output_agrees_with_the_parts():
    output = MODEL.apply({"params": PARAMS}, IMAGES, LABELS, NOISE)
    np.testing.assert_allclose(output.codes, apply("sample", apply("encode", IMAGES), NOISE), rtol=1e-6)
    np.testing.assert_allclose(jax.nn.sigmoid(output.logits), apply("decode", output.codes, LABELS), rtol=1e-6)


@pytest.mark.parametrize("network", ["patch", "convolutional"])
def test_a_program_for_any_number_of_pictures_is_the_model(network):
    config = dataclasses.replace(CONFIG, model=dataclasses.replace(CONFIG.model, network=network))
    model = create_model(config)
    params = init_params(model, config, jax.random.key(0))
    conceal = jax.jit(lambda *batch: model.apply({"params": params}, *batch, method="conceal"))
    (rows,) = export.symbolic_shape("rows")
    batch = (IMAGES, LABELS, NOISE)
    program = export.export(conceal)(*(jax.ShapeDtypeStruct((rows, *each.shape[1:]), each.dtype) for each in batch))
    np.testing.assert_allclose(program.call(*batch), conceal(*batch), rtol=1e-5)


def test_sample_has_the_posterior_moments():
    posterior = jax.tree.map(lambda leaf: jnp.repeat(leaf[:1], 20000, axis=0), apply("encode", IMAGES))
    noise = jax.random.normal(jax.random.key(3), posterior.mean.shape)
    codes = apply("sample", posterior, noise)
    np.testing.assert_allclose(codes.mean(axis=0), posterior.mean[0], atol=0.05)
    np.testing.assert_allclose(codes.var(axis=0), jnp.exp(posterior.log_variance[0]), rtol=0.05)


def test_codes_do_not_depend_on_labels_but_pictures_do():
    params = jax.tree.map(lambda leaf: leaf + 0.05, PARAMS)
    codes = apply("sample", apply("encode", IMAGES), NOISE)
    other = LABELS.at[:, 0].set(1.0).at[:, 1].set(0.0)
    first, second = (MODEL.apply({"params": params}, codes, labels, method="decode") for labels in (LABELS, other))
    assert np.abs(first - second).max() > 1e-4


# A censor has twice as many layers, and every one multiplies by the scale.
@pytest.mark.parametrize(("censored", "largest"), [(False, 1e3), (True, 30.0)])
def test_pictures_stay_in_range_and_finite_for_extreme_inputs(censored, largest):
    model = create_model(CONFIG, censored=censored)
    fresh, noise = init_params(model, CONFIG, jax.random.key(0)), NOISE[:, :1] * jnp.ones(model.latent_dim)
    for images in (jnp.zeros_like(IMAGES), jnp.ones_like(IMAGES), jnp.tile(IMAGES[:1] > 0.5, (4, 1, 1, 1)) * 1.0):
        for scale in (0.0, 1.0, largest):
            params = jax.tree.map(lambda leaf, scale=scale: leaf * scale, fresh)
            output = model.apply({"params": params}, images, LABELS, noise)
            assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(output))
            assert np.abs(output.posterior.log_variance).max() <= LOG_VARIANCE_BOUND


def test_gradients_are_finite_at_the_bound_of_the_variance():
    posterior = jax.tree.map(jnp.zeros_like, apply("encode", IMAGES))
    for bound in (-LOG_VARIANCE_BOUND, LOG_VARIANCE_BOUND):
        gradient = jax.grad(lambda value: rate_per_dimension(posterior.replace(log_variance=value)).sum())(
            jnp.full_like(posterior.mean, bound)
        )
        assert np.isfinite(gradient).all()


@pytest.mark.parametrize("size", [32, 64, 128])
def test_every_picture_size(size):
    config = dataclasses.replace(CONFIG, data=dataclasses.replace(CONFIG.data, image_size=size))
    model = create_model(config)
    pictures = jnp.zeros((1, size, size, 3))
    shapes = jax.eval_shape(
        lambda: model.init_with_output(jax.random.key(0), pictures, LABELS[:1], NOISE[:1])[0].logits
    )
    assert shapes.shape == (1, size, size, 3)


def test_bfloat16_keeps_float32_parameters_and_outputs():
    config = config_files.override(CONFIG, {"model.dtype": "bfloat16"})
    model = create_model(config)
    params = init_params(model, config, jax.random.key(0))
    assert {leaf.dtype for leaf in jax.tree.leaves(params)} == {jnp.dtype("float32")}
    output = model.apply({"params": params}, IMAGES, LABELS, NOISE)
    assert {leaf.dtype for leaf in jax.tree.leaves(output)} == {jnp.dtype("float32")}
    reference = MODEL.apply({"params": PARAMS}, IMAGES, LABELS, NOISE)
    np.testing.assert_allclose(output.posterior.mean, reference.posterior.mean, atol=0.1)


@pytest.mark.parametrize(("backend", "expected"), [("cpu", "float32"), ("gpu", "bfloat16"), ("tpu", "bfloat16")])
def test_activations_are_bfloat16_on_accelerators_only(monkeypatch, backend, expected):
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    model = create_model(CONFIG)
    assert model.encoder.dtype == model.decoder.dtype == jnp.dtype(expected)
