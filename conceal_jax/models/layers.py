"""Layers that the networks share."""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

GROUP_SIZE = 8
"""Channels that are normalised together."""


def space_to_depth(
    images: Float[Array, "batch height width channels"], block: int
) -> Float[Array, "batch rows columns depth"]:
    """Turns every block x block square of pixels into one pixel with block^2 times the channels."""
    batch, height, width, channels = images.shape
    rows, columns = height // block, width // block
    squares = images.reshape(batch, rows, block, columns, block, channels)
    return squares.transpose(0, 1, 3, 2, 4, 5).reshape(batch, rows, columns, block * block * channels)


def depth_to_space(
    images: Float[Array, "batch rows columns depth"], block: int
) -> Float[Array, "batch height width channels"]:
    """The inverse of `space_to_depth`."""
    batch, rows, columns, depth = images.shape
    channels = depth // block**2
    squares = images.reshape(batch, rows, columns, block, block, channels)
    return squares.transpose(0, 1, 3, 2, 4, 5).reshape(batch, rows * block, columns * block, channels)


def group_norm(dtype: jnp.dtype = jnp.float32) -> nn.GroupNorm:
    """Group normalisation (Wu and He 2018), statistics in float32, over groups of `GROUP_SIZE` channels."""
    return nn.GroupNorm(num_groups=None, group_size=GROUP_SIZE, dtype=dtype)


class ResidualBlock(nn.Module):
    """Two normalised 3x3 convolutions added to their input; starts as the identity."""

    dtype: jnp.dtype

    @nn.compact
    def __call__(
        self, images: Float[Array, "batch height width channels"]
    ) -> Float[Array, "batch height width channels"]:
        channels = images.shape[-1]
        hidden = nn.silu(group_norm(self.dtype)(images))
        hidden = nn.Conv(channels, (3, 3), dtype=self.dtype)(hidden)
        hidden = nn.silu(group_norm(self.dtype)(hidden))
        return images + nn.Conv(channels, (3, 3), dtype=self.dtype, kernel_init=nn.initializers.zeros)(hidden)


class ResidualBlocks(nn.Module):
    """Residual blocks one after the other.

    Attributes:
        count: of blocks.
        dtype: of activations.
        remat: compute the insides of blocks again for the gradients, in place of keeping them.
    """

    count: int
    dtype: jnp.dtype
    remat: bool

    @nn.compact
    def __call__(
        self, images: Float[Array, "batch height width channels"]
    ) -> Float[Array, "batch height width channels"]:
        block = nn.remat(ResidualBlock) if self.remat else ResidualBlock
        for index in range(self.count):
            # `nn.remat` would change the automatic names of the parameters.
            images = block(self.dtype, name=f"block_{index}")(images)
        return images
