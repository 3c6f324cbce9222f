import jax
import numpy as np
import pytest

from conceal_jax.config import files as config_files
from conceal_jax.data.synthetic.factors import draw_factors, render_faces
from conceal_jax.models.vae import create_model, init_params
from conceal_jax.release.encode import decode_codes, encode_pictures

CONFIG = config_files.load_config("configs/demo.py:shrunken")
MODEL = create_model(CONFIG)
PARAMS = init_params(MODEL, CONFIG, jax.random.key(0))
PICTURES = render_faces(draw_factors(7, seed=0), seed=0, size=32)
KEY = jax.random.key(1)


@pytest.mark.parametrize("batch_size", [1, 3, 7, 16])
def test_codes_and_pictures_do_not_depend_on_the_batch_size(batch_size):
    codes = encode_pictures(MODEL, PARAMS, PICTURES, KEY, batch_size=4)
    np.testing.assert_allclose(
        encode_pictures(MODEL, PARAMS, PICTURES, KEY, batch_size=batch_size), codes, rtol=1e-4, atol=1e-4
    )
    neutral = CONFIG.attributes.neutral_vector()
    pictures = decode_codes(MODEL, PARAMS, codes, neutral, batch_size=4).astype(int)
    others = decode_codes(MODEL, PARAMS, codes, neutral, batch_size=batch_size).astype(int)
    assert pictures.shape == (7, 32, 32, 3)
    assert np.abs(pictures - others).max() <= 1


def test_codes_are_samples():
    first, again, other = (encode_pictures(MODEL, PARAMS, PICTURES, key) for key in (KEY, KEY, jax.random.key(2)))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).mean() > 0.1


def test_every_code_has_its_own_labels():
    codes = np.repeat(encode_pictures(MODEL, PARAMS, PICTURES[:1], KEY), 2, axis=0)
    params = jax.tree.map(lambda leaf: leaf + 0.05, PARAMS)
    labels = np.stack([CONFIG.attributes.parse("gender=male"), CONFIG.attributes.parse("gender=female,age=90")])
    first, second = decode_codes(MODEL, params, codes, labels)
    assert (first != second).any()


def test_a_second_call_compiles_nothing():
    encode_pictures(MODEL, PARAMS, PICTURES[:4], KEY, batch_size=4)
    traced = []
    jax.monitoring.register_event_duration_secs_listener(lambda event, duration, **_: traced.append(event))
    encode_pictures(create_model(CONFIG), PARAMS, PICTURES[:3], KEY, batch_size=4)
    jax.monitoring.clear_event_listeners()
    assert not [event for event in traced if "compile" in event]
