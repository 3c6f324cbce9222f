import jax
import jax.numpy as jnp
import numpy as np
import pytest

from conceal_jax.runtime import compiler


@pytest.fixture
def asked_anew():
    compiler.compiler_options.cache_clear()
    yield
    compiler.compiler_options.cache_clear()


def convolution(images, kernel):
    return jax.lax.conv_general_dilated(images, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))


ARGUMENTS = (jnp.ones((4, 8, 8, 32)), jnp.ones((3, 3, 32, 32)))


def test_convolutions_on_a_cpu_are_not_left_to_the_slow_library(asked_anew):
    lowered = jax.jit(convolution).lower(*ARGUMENTS)
    if "ynn" not in lowered.compile().as_text():
        pytest.skip("this XLA, on this processor, would not give it any")
    assert "ynn" not in lowered.compile(compiler.compiler_options()).as_text()


def test_products_are_left_to_it(asked_anew):
    lowered = jax.jit(jnp.matmul).lower(jnp.ones((256, 512)), jnp.ones((512, 256)))
    if "ynn" not in lowered.compile().as_text():
        pytest.skip("this XLA, on this processor, would not give it any")
    assert "ynn" in lowered.compile(compiler.compiler_options()).as_text()


def test_options_that_xla_does_not_know_are_left_out(asked_anew, monkeypatch):
    monkeypatch.setattr(compiler, "_YNN", {"xla_cpu_no_such_option": ""})
    assert compiler.compiler_options() == {}


def test_accelerators_have_none(asked_anew, monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert compiler.compiler_options() == {}


def test_a_fast_program_computes_the_same():
    images, kernel = (np.random.default_rng(0).normal(size=each.shape).astype(np.float32) for each in ARGUMENTS)
    fast = compiler.fast_jit(convolution)
    np.testing.assert_allclose(fast(images, kernel), jax.jit(convolution)(images, kernel), rtol=1e-4, atol=1e-4)
    assert fast.__name__ == "convolution"
