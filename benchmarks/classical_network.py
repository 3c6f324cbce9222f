"""The classical network, to compare with: 3x3 convolutions of stride 2 down, transposed convolutions up."""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from conceal_jax.models.layers import GroupNorm

WIDTHS = (32, 64, 128, 256, 512)


class ClassicalEncoder(nn.Module):
    """Halves the resolution five times."""

    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, images: Float[Array, "batch height width channels"]) -> Float[Array, "batch features"]:
        """Features of pictures with values in [0, 1]."""
        hidden = (images * 2.0 - 1.0).astype(self.dtype)
        for width in WIDTHS:
            hidden = nn.Conv(width, (3, 3), (2, 2), padding=1, dtype=self.dtype)(hidden)
            hidden = nn.silu(GroupNorm()(hidden))
        return hidden.reshape(hidden.shape[0], -1)


class ClassicalDecoder(nn.Module):
    """The encoder's mirror image, then one convolution at full resolution.

    Attributes:
        image_size: side in pixels of the picture.
        dtype: of activations.
    """

    image_size: int
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, joined: Float[Array, "batch joined"]) -> Float[Array, "batch height width channels"]:
        """Logits of the picture, float32."""
        side = self.image_size // 2 ** len(WIDTHS)
        hidden = nn.silu(nn.Dense(side * side * WIDTHS[-1], dtype=self.dtype)(joined.astype(self.dtype)))
        hidden = hidden.reshape(-1, side, side, WIDTHS[-1])
        # Padded so that each is the exact adjoint of the encoder's convolution.
        for width in (*WIDTHS[-2::-1], WIDTHS[0]):
            hidden = nn.ConvTranspose(width, (3, 3), (2, 2), padding=((1, 2), (1, 2)), dtype=self.dtype)(hidden)
            hidden = nn.silu(GroupNorm()(hidden))
        return nn.Conv(3, (3, 3), dtype=self.dtype)(hidden).astype(jnp.float32)
