import jax
import jax.numpy as jnp
import pytest

from conceal_jax.config import files as config_files
from conceal_jax.models.vae import create_model, init_params

OVERRIDES = {"model.network": "convolutional", "model.widths": "(8, 16, 24)", "model.patch": "5"}


def test_the_network_of_a_configuration_halves_once_for_each_width():
    config = config_files.load_config("configs/demo.py:shrunken", OVERRIDES)
    model = create_model(config)
    params = jax.eval_shape(lambda: init_params(model, config, jax.random.key(0)))
    assert params["encoder"]["Conv_2"]["kernel"].shape == (4, 4, 16, 24)
    assert params["decoder"]["ConvTranspose_2"]["kernel"].shape == (4, 4, 8, 3)
    assert params["bottleneck"]["statistics"]["kernel"].shape[0] == 4 * 4 * 24
    shapes = (2, 32, 32, 3), (2, config.attributes.width), (2, model.latent_dim)
    logits = jax.eval_shape(
        lambda params, *inputs: model.apply({"params": params}, *inputs).logits,
        params,
        *(jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes),
    )
    assert logits.shape == (2, 32, 32, 3)


def test_too_many_widths_are_refused():
    with pytest.raises(ValueError, match="halved 5 times"):
        config_files.load_config("configs/demo.py:shrunken", OVERRIDES | {"model.widths": "(8, 8, 8, 8, 8)"})
