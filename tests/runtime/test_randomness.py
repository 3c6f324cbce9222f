import jax
import numpy as np
import pytest

from conceal_jax.runtime.randomness import Stream, stream_key


def test_no_key_comes_twice():
    """Of all streams, over many steps, epochs and batches."""
    keys = [tuple(np.asarray(jax.random.key_data(stream_key(0, stream)))) for stream in Stream]
    indexed = jax.jit(jax.vmap(stream_key, in_axes=(None, None, 0)), static_argnums=1)
    for stream in Stream:
        data = jax.random.key_data(indexed(0, stream, np.arange(2000)))
        keys += [tuple(key) for key in np.asarray(data)]
    assert len(keys) == len(Stream) * 2001
    assert len(set(keys)) == len(keys)


def test_seeds_have_different_keys():
    assert stream_key(0, Stream.ORDER, 1) != stream_key(1, Stream.ORDER, 0)


def test_a_traced_seed_and_index_give_the_same_key():
    traced = jax.jit(lambda seed, step: stream_key(seed, Stream.CODE_NOISE, step))(np.uint32(3), np.int32(5))
    assert traced == stream_key(3, Stream.CODE_NOISE, 5)


@pytest.mark.parametrize("function", [jax.random.normal, jax.random.bernoulli])
def test_the_default_implementation_does_not_matter(function):
    expected = function(stream_key(0, Stream.FLIPS, 1), shape=(4,))
    with jax.default_prng_impl("rbg"):
        np.testing.assert_array_equal(function(stream_key(0, Stream.FLIPS, 1), shape=(4,)), expected)
