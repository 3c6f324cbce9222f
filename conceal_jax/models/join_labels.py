"""Where labels join the code, after it was sampled: all that the decoder reads.

Because the decoder is given the labels for free, spending the latent's scarce capacity on them does not pay
(Hanukoglu et al. 2019, arXiv 1909.09156).
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

LABEL_GAIN = 4.0
"""Labels reach the decoder this much larger, so that it learns to use them before the latent has taken their place."""


def join_labels(
    codes: Float[Array, "batch latent"], label_vectors: Float[Array, "batch labels"]
) -> Float[Array, "batch joined"]:
    """[z ; c], the labels with a gain of `LABEL_GAIN`."""
    return jnp.concatenate([codes, LABEL_GAIN * label_vectors], axis=-1)
