"""The classical network, to compare with: 3x3 convolutions of stride 2 down, transposed convolutions up.

XLA:CPU runs the gradients of strided and transposed convolutions through dilated ones, at a twentieth of the speed of
plain ones. There, both are 2x2 convolutions of stride 1 between maps whose 2x2 squares are channels: the same numbers,
and so are the gradients, but for rounding. Accelerators run them as they are.
"""

from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from conceal_jax.models.layers import Dense, GroupNorm, depth_to_space, space_to_depth

Kernel = Float[Array, "3 3 inputs outputs"]


class ClassicalEncoder(nn.Module):
    """Halves the resolution once for each width.

    Attributes:
        widths: channels at each resolution, finest first.
        dtype: of activations.
    """

    widths: tuple[int, ...]
    dtype: jnp.dtype

    @nn.compact
    def __call__(self, images: Float[Array, "batch height width channels"]) -> Float[Array, "batch features"]:
        """Features of pictures with values in [0, 1]."""
        hidden = (images * 2.0 - 1.0).astype(self.dtype)
        for width in self.widths:
            hidden = nn.Conv(width, (3, 3), 2, 1, dtype=self.dtype, conv_general_dilated=_strided)(hidden)
            hidden = nn.silu(GroupNorm()(hidden))
        return hidden.reshape(hidden.shape[0], -1)


class ClassicalDecoder(nn.Module):
    """The encoder's mirror image, then one convolution at full resolution.

    Attributes:
        image_size: side in pixels of the picture.
        widths, dtype: as for `ClassicalEncoder`.
        channels: of the picture.
    """

    image_size: int
    widths: tuple[int, ...]
    dtype: jnp.dtype
    channels: int = 3

    @nn.compact
    def __call__(self, joined: Float[Array, "batch joined"]) -> Float[Array, "batch height width channels"]:
        """Logits of the picture, float32; their sigmoid lies in [0, 1]."""
        side = self.image_size // 2 ** len(self.widths)
        hidden = nn.silu(Dense(side * side * self.widths[-1], self.dtype)(joined.astype(self.dtype)))
        hidden = hidden.reshape(-1, side, side, self.widths[-1])
        for index, width in enumerate((*self.widths[-2::-1], self.widths[0])):
            # Padded so that each is the exact adjoint of the encoder's convolution.
            transposed = nn.Conv(
                width,
                (3, 3),
                padding=((1, 2), (1, 2)),
                input_dilation=2,
                dtype=self.dtype,
                conv_general_dilated=_transposed,
                name=f"ConvTranspose_{index}",
            )
            hidden = nn.silu(GroupNorm()(transposed(hidden)))
        return nn.Conv(self.channels, (3, 3), dtype=self.dtype)(hidden).astype(jnp.float32)


def _strided(images: Array, kernel: Array, *settings: Any, **named: Any) -> Array:
    native = partial(_native, settings=settings, named=named)
    return jax.lax.platform_dependent(images, kernel, cpu=strided_by_squares, default=native)


def _transposed(images: Array, kernel: Array, *settings: Any, **named: Any) -> Array:
    native = partial(_native, settings=settings, named=named)
    return jax.lax.platform_dependent(images, kernel, cpu=transposed_by_squares, default=native)


def _native(images: Array, kernel: Array, settings: tuple[Any, ...], named: dict[str, Any]) -> Array:
    return jax.lax.conv_general_dilated(images, kernel, *settings, **named)


def strided_by_squares(
    images: Float[Array, "batch height width inputs"], kernel: Kernel
) -> Float[Array, "batch rows columns outputs"]:
    """A convolution of stride 2, padded by 1 on every side; pictures of even height and width."""
    squares = space_to_depth(jnp.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0))), 2)
    taps = _paired_taps(kernel).transpose(0, 2, 1, 3, 4, 5)
    return _plain(squares, taps.reshape(2, 2, -1, kernel.shape[3]))


def transposed_by_squares(
    images: Float[Array, "batch rows columns inputs"], kernel: Kernel
) -> Float[Array, "batch height width outputs"]:
    """Its adjoint, up to the order of the kernel's axes: a convolution of maps dilated by 2, padded by (1, 2)."""
    # Of a square's two rows, the first is made with the second tap of each pair.
    taps = _paired_taps(kernel)[:, ::-1, :, ::-1].transpose(0, 2, 4, 1, 3, 5)
    squares = _plain(jnp.pad(images, ((0, 0), (0, 1), (0, 1), (0, 0))), taps.reshape(2, 2, kernel.shape[2], -1))
    return depth_to_space(squares, 2)


def _paired_taps(kernel: Kernel) -> Float[Array, "2 2 2 2 inputs outputs"]:
    """Taps 0 and 1, 2 and none, along both axes."""
    return jnp.pad(kernel, ((0, 1), (0, 1), (0, 0), (0, 0))).reshape(2, 2, 2, 2, *kernel.shape[2:])


def _plain(images: Array, kernel: Array) -> Array:
    return jax.lax.conv_general_dilated(images, kernel, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"))
