"""The encoder: pictures to features. It never sees the labels."""

import itertools

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from conceal_jax.models.layers import Dense, GroupNorm, on_grid, residual_block, space_to_depth, squares


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
        last = len(self.widths) - 1
        # The finest map that is looked at; those below it are never made.
        finest = next((level for level, blocks in enumerate(self.blocks) if blocks), last)
        pictures = (images * 2.0 - 1.0).astype(self.dtype)
        hidden = space_to_depth(squares(pictures, self.patch * 2**finest), *(2,) * (last - finest))
        batch, side = hidden.shape[:2]
        joint, channels = None, self.patch**2 * images.shape[-1]
        for level, (width, blocks) in enumerate(zip(self.widths, self.blocks, strict=True)):
            layer = Dense(width, self.dtype).affine(channels)
            channels = 4 * width
            # One product in place of several: fewer operations, of a better shape, and no gradients of feature maps.
            square = self.patch * 2 ** (level - 1) if level <= finest else 1
            joint = layer if joint is None else joint.then(layer, square)
            if blocks or level == last:
                hidden = joint(hidden.reshape(batch, side * side * 4 ** (last - level), -1), self.dtype)
                residual = [residual_block(self.remat)(self.dtype, name=next(names)) for _ in range(blocks)]
                hidden, joint = on_grid(residual, hidden, side), None
        return nn.silu(GroupNorm()(hidden)).reshape(batch, -1)
