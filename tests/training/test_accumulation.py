import jax
import jax.numpy as jnp
import numpy as np
import pytest

from conceal_jax.training.accumulation import accumulated_gradients

ROWS = np.random.default_rng(0).normal(size=(12, 3)).astype(np.float32)


def loss(params, rows):
    each = jnp.square(rows @ params["w"] - 1.0)
    return each.sum(), {"each": each, "rows": rows}


@pytest.mark.parametrize("parts", [1, 2, 3, 12])
def test_parts_change_neither_gradients_nor_the_order(parts):
    params = {"w": jnp.array([0.5, -1.0, 2.0])}
    gradients, values = jax.jit(accumulated_gradients, static_argnums=(0, 3))(loss, params, ROWS, parts)
    error = ROWS @ np.array([0.5, -1.0, 2.0]) - 1.0
    np.testing.assert_allclose(gradients["w"], 2 * error @ ROWS, rtol=1e-5)
    np.testing.assert_allclose(values["each"], error**2, rtol=1e-5)
    np.testing.assert_array_equal(values["rows"], ROWS)


def test_uneven_parts_are_refused():
    with pytest.raises(ValueError, match=r"share of 12 pictures .* training.microbatches=5"):
        accumulated_gradients(loss, {"w": jnp.zeros(3)}, ROWS, 5)
