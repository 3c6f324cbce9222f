"""Building blocks whose work is matrix products of good shapes on every platform.

Resolution changes by moving pixels into channels and back (space-to-depth and depth-to-space) around a dense layer: no
strided or transposed convolution, whose gradients are slow on XLA:CPU. Convolutions are 3x3 with stride 1.
"""

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

GROUP_CHANNELS = 8


def space_to_depth(
    images: Float[Array, "batch height width channels"], *blocks: int
) -> Float[Array, "batch rows columns depth"]:
    """Turns every block x block square of pixels into one pixel with block^2 times the channels.

    With several blocks, squares are cut into smaller ones, all at once: `(2, 4)` is 4 followed by 2.
    """
    batch, height, width, channels = images.shape
    block = math.prod(blocks)
    rows, columns = height // block, width // block
    cells = images.reshape(batch, rows, *blocks, columns, *blocks, channels)
    middle = len(blocks) + 2
    pairs = itertools.chain(*zip(range(1, middle), range(middle, 2 * middle - 1), strict=True))
    return cells.transpose(0, *pairs, 2 * middle - 1).reshape(batch, rows, columns, block * block * channels)


def squares(images: Float[Array, "batch height width channels"], side: int) -> Float[Array, "batch rows columns depth"]:
    """`space_to_depth` of large squares: XLA:CPU copies their columns faster than it finds the place of each value."""
    batch, height, width, channels = images.shape
    rows, columns = height // side, width // side
    strips = images.reshape(batch * rows, side, columns, side * channels)
    cells = jnp.stack([strips[:, :, column] for column in range(columns)], axis=1)
    return cells.reshape(batch, rows, columns, side * side * channels)


def depth_to_space(
    images: Float[Array, "batch rows columns depth"], *blocks: int
) -> Float[Array, "batch height width channels"]:
    """The inverse of `space_to_depth`."""
    batch, rows, columns, depth = images.shape
    block = math.prod(blocks)
    channels = depth // block**2
    sides = itertools.chain(*((block, block) for block in blocks))
    cells = images.reshape(batch, rows, columns, *sides, channels)
    last = 2 * len(blocks) + 3
    cells = cells.transpose(0, *range(1, last, 2), *range(2, last, 2), last)
    return cells.reshape(batch, rows * block, columns * block, channels)


def on_grid(
    layers: Sequence[nn.Module], pixels: Float[Array, "batch pixels channels"], side: int
) -> Float[Array, "batch pixels channels"]:
    """Applies layers that need to know which pixels are neighbours to a map in nested order.

    In nested order the pixels of a square that becomes one pixel of the next coarser map follow each other, so that
    changing resolution is no more than another shape of the same memory.

    Args:
        layers: of maps [batch, height, width, channels].
        pixels: a feature map.
        side: in pixels, of the coarsest map; the pixels of that are in rows.
    """
    if not layers:
        return pixels
    batch, count, channels = pixels.shape
    halvings = (2,) * int(math.log2(count // side**2) / 2)
    grid = depth_to_space(pixels.reshape(batch, side, side, -1), *halvings)
    for layer in layers:
        grid = layer(grid)
    return space_to_depth(grid, *halvings).reshape(batch, count, channels)


class Affine(NamedTuple):
    """A map of channels to features, `inputs @ kernel + bias`, as XLA:CPU computes it fastest.

    Products are of matrices, all pixels in rows, since XLA lays out what has more dimensions so that the gradients of
    weights read memory against the grain: a quarter of a training step of the default network less. The bias is added
    as a product with a column of ones, so that its gradient is a product, too, in place of a sum over rows.
    """

    kernel: Float[Array, "channels features"]
    bias: Float[Array, " features"]

    def __call__(self, inputs: Float[Array, "*batch channels"], dtype: jnp.dtype) -> Float[Array, "*batch features"]:
        """The features, computed in a dtype."""
        *batch, channels = inputs.shape
        kernel, bias = self.kernel.astype(dtype), self.bias.astype(dtype)
        rows = inputs.astype(dtype).reshape(-1, channels)
        biases = jnp.matmul(jnp.ones((rows.shape[0], 1), dtype), bias[None], precision="highest")
        return (rows @ kernel + biases).reshape(*batch, bias.size)

    def then(self, coarser: "Affine", side: int = 1) -> "Affine":
        """This map of each of four squares, and then another of all their features, as one: kernels multiplied first.

        It is the same function of the parameters, gradients included, but for rounding.

        Args:
            coarser: takes the features of the upper two squares from left to right, then those of the lower two.
            side: of a square, in pixels that are in rows, as they are in the square of all four then; 1 for squares
                that follow each other.
        """
        features, wide = self.kernel.shape[1], coarser.bias.size
        square, parts = self.kernel.reshape(side, -1, features), coarser.kernel.reshape(2, 2, features, wide)
        kernel = jnp.einsum("rcf,ijfw->irjcw", square, parts, precision="highest")
        bias = jnp.matmul(self.bias, parts.sum(axis=(0, 1)), precision="highest") + coarser.bias
        return Affine(kernel.reshape(-1, wide), bias)


class Dense(nn.Module):
    """`flax.linen.Dense` by way of `Affine`.

    Attributes:
        features: channels of the output.
        dtype: of the product.
    """

    features: int
    dtype: jnp.dtype

    @nn.compact
    def affine(self, channels: int) -> Affine:
        """The layer's map of so many channels, for those who do not apply it by itself."""
        kernel = self.param("kernel", nn.initializers.lecun_normal(), (channels, self.features))
        return Affine(kernel, self.param("bias", nn.initializers.zeros, (self.features,)))

    def __call__(self, inputs: Float[Array, "*batch channels"]) -> Float[Array, "*batch features"]:
        """The features of every pixel."""
        return self.affine(inputs.shape[-1])(inputs, self.dtype)


class GroupNorm(nn.Module):
    """Group normalisation (Wu and He 2018) over groups of `GROUP_CHANNELS` channels.

    Equal to `flax.linen.GroupNorm`, but statistics come from per-channel sums and are applied as one scale and shift
    per channel: fewer passes over memory than normalising a five-dimensional view.
    """

    epsilon: float = 1e-6

    @nn.compact
    def __call__(self, images: Float[Array, "batch *pixels channels"]) -> Float[Array, "batch *pixels channels"]:
        batch, channels = images.shape[0], images.shape[-1]
        scale = self.param("scale", nn.initializers.ones, (channels,))
        bias = self.param("bias", nn.initializers.zeros, (channels,))
        wide = images.astype(jnp.float32).reshape(batch, -1, channels)
        mean = _group_mean(wide.mean(axis=1))
        square = _group_mean(jnp.square(wide).mean(axis=1))
        # Rounding can push a variance of nearly constant maps below zero.
        inverse = jax.lax.rsqrt(jnp.maximum(square - jnp.square(mean), 0.0) + self.epsilon)
        gain = inverse * scale
        # As in `Affine`: else XLA sums gradients over pixels and pictures at once, beside those over pixels alone.
        biases = jnp.matmul(jnp.ones((batch, 1), bias.dtype), bias[None], precision="highest")
        shift = biases - mean * gain
        return (wide * gain[:, None] + shift[:, None]).astype(images.dtype).reshape(images.shape)


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
