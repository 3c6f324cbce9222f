"""The decoder: a code joined with labels to a picture."""

import itertools

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from conceal_jax.models.layers import Dense, GroupNorm, depth_to_space, residual_block


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
        side = self.image_size // (self.patch * 2 ** (len(self.widths) - 1))
        hidden = Dense(side * side * self.widths[-1], self.dtype)(joined.astype(self.dtype))
        hidden = hidden.reshape(-1, side, side, self.widths[-1])
        for level in reversed(range(len(self.widths))):
            for _ in range(self.blocks[level]):
                hidden = residual_block(self.remat)(self.dtype, name=next(names))(hidden)
            if level:
                hidden = Dense(4 * self.widths[level - 1], self.dtype)(hidden)
                hidden = depth_to_space(hidden, 2)
        hidden = nn.silu(GroupNorm()(hidden))
        hidden = Dense(self.patch**2 * self.channels, self.dtype)(hidden)
        return depth_to_space(hidden, self.patch).astype(jnp.float32)
