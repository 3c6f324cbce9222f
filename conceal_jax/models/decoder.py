"""The decoder of the patch network: a code joined with labels to a picture."""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from conceal_jax.models.layers import ResidualBlocks, depth_to_space, group_norm


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
        side = self.image_size // (self.patch * 2 ** (len(self.widths) - 1))
        hidden = nn.Dense(side * side * self.widths[-1], dtype=self.dtype)(joined)
        hidden = hidden.reshape(-1, side, side, self.widths[-1])
        for level in reversed(range(len(self.widths))):
            hidden = ResidualBlocks(self.blocks[level], self.dtype, self.remat)(hidden)
            if level:
                hidden = depth_to_space(nn.Dense(4 * self.widths[level - 1], dtype=self.dtype)(hidden), 2)
        hidden = nn.silu(group_norm(self.dtype)(hidden))
        hidden = nn.Dense(self.patch**2 * self.channels, dtype=self.dtype)(hidden)
        return depth_to_space(hidden, self.patch).astype(jnp.float32)
