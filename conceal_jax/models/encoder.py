"""The encoder: pictures to features. It never sees the labels."""

import itertools

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from conceal_jax.models.layers import Dense, GroupNorm, on_grid, residual_block, space_to_depth


class Encoder(nn.Module):
    """Patches, then residual blocks at each resolution, halving it in between.

    Attributes:
        patch: side in pixels of the patches of the finest feature map.
        widths: channels at each resolution, finest first.
        blocks: residual blocks at each resolution, finest first.
        dtype: of activations.
        remat: whether residual blocks are computed again for the gradients.
    """

    patch: int
    widths: tuple[int, ...]
    blocks: tuple[int, ...]
    dtype: jnp.dtype = jnp.float32
    remat: bool = False

    @nn.compact
    def __call__(self, images: Float[Array, "batch height width channels"]) -> Float[Array, "batch features"]:
        """Features of pictures with values in [0, 1]."""
        names = map("ResidualBlock_{}".format, itertools.count())
        halvings = len(self.widths) - 1
        pictures = (images * 2.0 - 1.0).astype(self.dtype)
        hidden = space_to_depth(pictures, *(2,) * halvings, self.patch)
        batch, side = hidden.shape[:2]
        for level, (width, blocks) in enumerate(zip(self.widths, self.blocks, strict=True)):
            hidden = hidden.reshape(batch, side * side * 4 ** (halvings - level), -1)
            hidden = Dense(width, self.dtype)(hidden)
            layers = [residual_block(self.remat)(self.dtype, name=next(names)) for _ in range(blocks)]
            hidden = on_grid(layers, hidden, side)
        return nn.silu(GroupNorm()(hidden)).reshape(batch, -1)
