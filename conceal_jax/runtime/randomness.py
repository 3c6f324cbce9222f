"""Streams of random keys: each use of randomness has its own, so that no two draws share a key.

JAX's random numbers are pure functions of a key. A key here is a function of a run's seed, a stream and, within the
stream, of a step, an epoch or a batch. Nothing random has a state that a checkpoint would have to hold.
"""

import enum

import jax
from jaxtyping import Array, Integer, PRNGKeyArray

Index = int | Integer[Array, ""]
"""May be traced."""


class Stream(enum.IntEnum):
    """What random numbers are for. A number is part of what a run computes: it keeps its meaning, and is not reused."""

    INITIALISATION = 0
    CENSOR_INITIALISATION = 1
    READER_INITIALISATION = 2
    ADVERSARY_INITIALISATION = 3
    ORDER = 4
    FLIPS = 5
    CODE_NOISE = 6
    CENSOR_NOISE = 7
    REFIT_NOISE = 8
    NEUTRAL_ROWS = 9
    VALIDATION_NOISE = 10
    PREVIEW_NOISE = 11
    RELEASE_NOISE = 12
    RESEARCH_NOISE = 13


def stream_key(seed: Index, stream: Stream, *indices: Index) -> PRNGKeyArray:
    """The key of a stream at a step, an epoch or a batch.

    Args:
        seed: of the run.
        stream: what the key is for.
        indices: of the draw within the stream; each stream has the same number of them at every use.
    """
    # The implementation is named, so that a run does not depend on JAX's settings.
    key = jax.random.key(seed, impl="threefry2x32")
    for index in (stream, *indices):
        key = jax.random.fold_in(key, index)
    return key
