"""The codes that the censor learns from belong to the pictures, in every order and view."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from conceal_jax.attributes.appearance import appearance
from conceal_jax.config import files as config_files
from conceal_jax.data.order import epoch_order
from conceal_jax.data.resident import load_resident
from conceal_jax.data.sources.open import open_collection
from conceal_jax.models.vae import create_model
from conceal_jax.runtime.parallel import create_mesh
from conceal_jax.training.codes import first_codes
from conceal_jax.training.evaluator import padded_batches
from conceal_jax.training.feed import Pictures
from conceal_jax.training.stages import first_state

CONFIG = config_files.load_config("configs/demo.py:shrunken", {"data.synthetic_count": "40", "data.flip": "True"})
MODEL, PARAMS = create_model(CONFIG, censored=False), first_state(CONFIG).params
MESH = create_mesh(jax.devices()[:2])


@pytest.fixture(scope="module")
def collection():
    return open_collection(CONFIG.data, CONFIG.attributes, 0).subset("train")


@pytest.fixture(scope="module")
def resident(collection):
    return load_resident(collection, 32, "center")


@pytest.fixture(scope="module")
def codes(resident):
    batches = padded_batches(resident, 16)
    return first_codes(MODEL, PARAMS, batches, len(resident.valid), beta=3.0, flip=True, mesh=MESH)


def encoded(pictures):
    return MODEL.apply({"params": PARAMS}, jnp.asarray(pictures, jnp.float32) / 255, method="encode_uncensored")


def test_codes_are_the_posterior_means_of_both_views(resident, codes):
    np.testing.assert_allclose(codes.code[:, 0], encoded(resident.images).mean, atol=1e-4)
    np.testing.assert_allclose(codes.code[:, 1], encoded(resident.images[:, :, ::-1]).mean, atol=1e-4)
    np.testing.assert_array_equal(codes.valid, resident.valid)
    for name, values in {**resident.labels, **appearance(resident.images)}.items():
        np.testing.assert_array_equal(codes.labels[name], values)


def test_the_curvature_is_what_the_noise_tells(resident, codes):
    variance = np.exp(encoded(resident.images).log_variance)
    np.testing.assert_allclose(codes.curvature[:, 0], 3 * np.maximum(1 / variance - 1, 0), rtol=1e-3, atol=1e-4)


def test_batches_of_codes_are_those_of_the_pictures(resident, codes):
    order, flip = epoch_order(0, 1, len(resident.valid))
    rows = jnp.arange(24, 40)
    pictures, drawn = resident.draw(order, flip, rows), codes.draw(order, flip, rows)
    mask = np.asarray(pictures["mask"])
    assert 0 < mask.sum() < len(mask)
    np.testing.assert_array_equal(drawn["mask"], mask)
    np.testing.assert_allclose(drawn["code"][mask], encoded(pictures["image"]).mean[mask], atol=1e-4)
    for name, values in pictures["labels"].items():
        np.testing.assert_array_equal(drawn["labels"][name], values)


def test_streamed_pictures_give_the_same_codes(collection, codes):
    config = config_files.override(CONFIG, {"data.loader": "stream"})
    streamed = Pictures(collection, config, MESH).first_codes(MODEL, PARAMS, 3.0)
    jax.tree.map(lambda leaf, other: np.testing.assert_allclose(leaf, other, rtol=1e-4, atol=1e-4), streamed, codes)
