from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from conceal_jax.config import files as config_files
from conceal_jax.data.order import epoch_order
from conceal_jax.data.resident import load_resident
from conceal_jax.data.sources.open import open_collection
from conceal_jax.models.vae import create_model
from conceal_jax.training.autoencoder_step import bind_autoencoder_step
from conceal_jax.training.feed import EpochData, resident_step, resident_steps
from conceal_jax.training.state import create_optimizer, create_state

CONFIG = config_files.load_config("configs/demo.py:shrunken", {"data.synthetic_count": "60"})
MODEL, OPTIMIZER = create_model(CONFIG), create_optimizer(CONFIG.training)
SETTINGS = {
    "step": bind_autoencoder_step(MODEL, CONFIG.attributes, OPTIMIZER, CONFIG),
    "batch_size": 16,
    "axis_name": None,
}


def test_several_steps_in_one_call_are_the_steps_one_by_one():
    resident = load_resident(open_collection(CONFIG.data, CONFIG.attributes, 0).subset("train"), 32, "center")
    order, flip = epoch_order(0, 0, len(resident.images))
    data = EpochData(jax.tree.map(jnp.asarray, resident), order=order, flip=flip)
    slots = jnp.arange(16)
    state = create_state(MODEL, OPTIMIZER, CONFIG)
    together, sums = jax.jit(partial(resident_steps, **SETTINGS))(state, slots, data, jnp.int32(3))
    one, parts = jax.jit(partial(resident_step, **SETTINGS)), []
    for _ in range(3):
        state, part = one(state, slots, data)
        parts.append(part)
    assert int(together.step) == 3
    assert sums.count == sum(part.count for part in parts)
    np.testing.assert_allclose(sums.totals["loss"], sum(part.totals["loss"] for part in parts), rtol=1e-4)
    for leaf, other in zip(jax.tree.leaves(together.params), jax.tree.leaves(state.params), strict=True):
        np.testing.assert_allclose(leaf, other, atol=1e-3)
