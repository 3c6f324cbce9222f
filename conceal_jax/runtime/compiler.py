"""How XLA compiles: options that make programs fast where its own choice is slow."""

import functools
from collections.abc import Callable
from typing import Any

import jax

_YNN = {"xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT"}
"""The YNN library is given matrix products, some of which it makes twice as fast, and nothing else: its convolutions
run at half the rate of XLA's others on x86-64, and of several operations at once it makes none faster."""


@functools.cache
def compiler_options() -> dict[str, str]:
    """Options for programs of convolutions and matrix products on the default backend.

    They are experimental ones of XLA: where this version does not know them, there are none.
    """
    if jax.default_backend() != "cpu":
        return {}
    try:
        jax.jit(lambda: 0, compiler_options=_YNN)()
    except jax.errors.JaxRuntimeError:
        return {}
    return _YNN


def fast_jit(function: Callable[..., Any], **settings: Any) -> Callable[..., Any]:
    """`jax.jit` with these options, looked up at the first call, so that a module can be imported before JAX is set up.

    Not to be called inside another compiled function: only whole programs have options.
    """

    @functools.cache
    def program() -> Callable[..., Any]:
        return jax.jit(function, compiler_options=compiler_options(), **settings)

    @functools.wraps(function)
    def call(*arguments: Any, **named: Any) -> Any:
        return program()(*arguments, **named)

    return call
