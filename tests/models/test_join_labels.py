import jax.numpy as jnp
import numpy as np

from conceal_jax.models.join_labels import LABEL_GAIN, join_labels


def test_the_decoder_reads_the_code_and_then_the_labels():
    joined = join_labels(jnp.array([[1.0, 2.0]]), jnp.array([[0.0, 1.0, 0.5]]))
    np.testing.assert_array_equal(joined, [[1.0, 2.0, 0.0, LABEL_GAIN, 0.5 * LABEL_GAIN]])
