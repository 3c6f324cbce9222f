"""The decoder: a code joined with labels to a picture."""

import itertools

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from conceal_jax.models.layers import Dense, GroupNorm, depth_to_space, on_grid, residual_block


class Decoder(nn.Module):
    """The encoder's mirror image.

    Attributes:
        image_size: side in pixels of the picture.
        patch, widths, blocks, dtype, remat: as for `Encoder`, finest resolution first.
        channels: of the picture.
    """

    image_size: int
    patch: int
    widths: tuple[int, ...]
    blocks: tuple[int, ...]
    dtype: jnp.dtype = jnp.float32
    remat: bool = False
    channels: int = 3

    @nn.compact
    def __call__(self, joined: Float[Array, "batch joined"]) -> Float[Array, "batch height width channels"]:
        """Logits of the picture, float32; their sigmoid lies in [0, 1]."""
        names = map("ResidualBlock_{}".format, itertools.count())
        halvings, batch = len(self.widths) - 1, joined.shape[0]
        side = self.image_size // (self.patch * 2**halvings)
        hidden = Dense(side * side * self.widths[-1], self.dtype)(joined.astype(self.dtype))
        for level in reversed(range(len(self.widths))):
            hidden = hidden.reshape(batch, -1, self.widths[level])
            layers = [residual_block(self.remat)(self.dtype, name=next(names)) for _ in range(self.blocks[level])]
            hidden = on_grid(layers, hidden, side)
            if level:
                hidden = Dense(4 * self.widths[level - 1], self.dtype)(hidden)
        hidden = Dense(self.patch**2 * self.channels, self.dtype)(nn.silu(GroupNorm()(hidden)))
        pictures = depth_to_space(hidden.reshape(batch, side, side, -1), *(2,) * halvings, self.patch)
        return pictures.astype(jnp.float32)
