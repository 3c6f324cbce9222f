"""Building blocks whose work is matrix products of good shapes on every platform.

Resolution changes by moving pixels into channels and back (space-to-depth and depth-to-space) around a dense layer: no
strided or transposed convolution, whose gradients are slow on XLA:CPU. Convolutions are 3x3 with stride 1.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

GROUP_CHANNELS = 8


def space_to_depth(
    images: Float[Array, "batch height width channels"], block: int
) -> Float[Array, "batch rows columns depth"]:
    """Turns every block x block square of pixels into one pixel with block^2 times the channels."""
    batch, height, width, channels = images.shape
    cells = images.reshape(batch, height // block, block, width // block, block, channels)
    return cells.transpose(0, 1, 3, 2, 4, 5).reshape(batch, height // block, width // block, block * block * channels)


def depth_to_space(
    images: Float[Array, "batch rows columns depth"], block: int
) -> Float[Array, "batch height width channels"]:
    """The inverse of `space_to_depth`."""
    batch, rows, columns, depth = images.shape
    channels = depth // block**2
    cells = images.reshape(batch, rows, columns, block, block, channels)
    return cells.transpose(0, 1, 3, 2, 4, 5).reshape(batch, rows * block, columns * block, channels)


class Dense(nn.Module):
    """`flax.linen.Dense` as XLA:CPU computes it fastest: a quarter of a training step of the default network less.

    Products are of matrices, all pixels in rows, since XLA lays out what has more dimensions so that the gradients of
    weights read memory against the grain. The bias is added as a product with a column of ones, so that its gradient
    is a product, too, in place of a sum over rows.

    Attributes:
        features: channels of the output.
        dtype: of the product.
    """

    features: int
    dtype: jnp.dtype

    @nn.compact
    def __call__(self, inputs: Float[Array, "*batch channels"]) -> Float[Array, "*batch features"]:
        *batch, channels = inputs.shape
        kernel = self.param("kernel", nn.initializers.lecun_normal(), (channels, self.features)).astype(self.dtype)
        bias = self.param("bias", nn.initializers.zeros, (self.features,)).astype(self.dtype)
        rows = inputs.astype(self.dtype).reshape(-1, channels)
        biases = jnp.matmul(jnp.ones((rows.shape[0], 1), self.dtype), bias[None], precision="highest")
        return (rows @ kernel + biases).reshape(*batch, self.features)


class GroupNorm(nn.Module):
    """Group normalisation (Wu and He 2018) over groups of `GROUP_CHANNELS` channels.

    Equal to `flax.linen.GroupNorm`, but statistics come from per-channel sums and are applied as one scale and shift
    per channel: fewer passes over memory than normalising a five-dimensional view.
    """

    epsilon: float = 1e-6

    @nn.compact
    def __call__(
        self, images: Float[Array, "batch height width channels"]
    ) -> Float[Array, "batch height width channels"]:
        batch, _, _, channels = images.shape
        scale = self.param("scale", nn.initializers.ones, (channels,))
        bias = self.param("bias", nn.initializers.zeros, (channels,))
        wide = images.astype(jnp.float32)
        mean = _group_mean(wide.mean(axis=(1, 2)))
        square = _group_mean(jnp.square(wide).mean(axis=(1, 2)))
        # Rounding can push a variance of nearly constant maps below zero.
        inverse = jax.lax.rsqrt(jnp.maximum(square - jnp.square(mean), 0.0) + self.epsilon)
        gain = (inverse * scale).reshape(batch, 1, 1, channels)
        shift = (bias - mean * inverse * scale).reshape(batch, 1, 1, channels)
        return (wide * gain + shift).astype(images.dtype)


def _group_mean(values: Float[Array, "batch channels"]) -> Float[Array, "batch channels"]:
    batch, channels = values.shape
    groups = values.reshape(batch, channels // GROUP_CHANNELS, GROUP_CHANNELS).mean(axis=2)
    return jnp.repeat(groups, GROUP_CHANNELS, axis=1)


class ResidualBlock(nn.Module):
    """Two normalised 3x3 convolutions added to their input; starts as the identity."""

    dtype: jnp.dtype

    @nn.compact
    def __call__(
        self, images: Float[Array, "batch height width channels"]
    ) -> Float[Array, "batch height width channels"]:
        channels = images.shape[-1]
        hidden = nn.Conv(channels, (3, 3), dtype=self.dtype)(nn.silu(GroupNorm()(images)))
        hidden = nn.silu(GroupNorm()(hidden))
        return images + nn.Conv(channels, (3, 3), dtype=self.dtype, kernel_init=nn.initializers.zeros)(hidden)


def residual_block(remat: bool) -> type[nn.Module]:
    """`ResidualBlock`, or its twin that keeps nothing but its input for the gradients. Name what you make of either:
    their automatic names differ, and parameters go by names."""
    return nn.remat(ResidualBlock) if remat else ResidualBlock
