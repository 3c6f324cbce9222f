"""The convolutional network: 4x4 convolutions of stride 2 down, transposed convolutions up."""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from conceal_jax.models.layers import group_norm


class ConvolutionalEncoder(nn.Module):
    """Halves the resolution once for each width. It never sees the labels.

    Attributes:
        widths: channels at each resolution, finest first.
        dtype: of activations.
    """

    widths: tuple[int, ...]
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, images: Float[Array, "batch height width channels"]) -> Float[Array, "batch features"]:
        """Features of pictures with values in [0, 1]."""
        hidden = (images * 2.0 - 1.0).astype(self.dtype)
        for width in self.widths:
            hidden = nn.Conv(width, (4, 4), strides=2, dtype=self.dtype)(hidden)
            hidden = nn.silu(group_norm(self.dtype)(hidden))
        return hidden.reshape(hidden.shape[0], -1)


class ConvolutionalDecoder(nn.Module):
    """The encoder's mirror image: a code joined with labels to a picture.

    Attributes:
        image_size: side in pixels of the picture.
        widths, dtype: as for `ConvolutionalEncoder`.
        channels: of the picture.
    """

    image_size: int
    widths: tuple[int, ...]
    dtype: jnp.dtype = jnp.float32
    channels: int = 3

    @nn.compact
    def __call__(self, joined: Float[Array, "batch joined"]) -> Float[Array, "batch height width channels"]:
        """Logits of the picture, float32; their sigmoid lies in [0, 1]."""
        side = self.image_size // 2 ** len(self.widths)
        hidden = nn.Dense(side * side * self.widths[-1], dtype=self.dtype)(joined)
        hidden = hidden.reshape(-1, side, side, self.widths[-1])
        for width in self.widths[-2::-1]:
            hidden = nn.silu(group_norm(self.dtype)(hidden))
            hidden = nn.ConvTranspose(width, (4, 4), strides=(2, 2), dtype=self.dtype)(hidden)
        hidden = nn.silu(group_norm(self.dtype)(hidden))
        return nn.ConvTranspose(self.channels, (4, 4), strides=(2, 2), dtype=self.dtype)(hidden).astype(jnp.float32)
