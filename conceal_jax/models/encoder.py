"""The encoder of the patch network: pictures to features. It never sees the labels."""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from conceal_jax.models.layers import ResidualBlocks, group_norm, space_to_depth


class Encoder(nn.Module):
    """Patches, then at each resolution a dense layer for every pixel and residual blocks; 2x2 pixels merge in between.

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
        hidden = (images * 2.0 - 1.0).astype(self.dtype)
        for level, (width, blocks) in enumerate(zip(self.widths, self.blocks, strict=True)):
            hidden = space_to_depth(hidden, 2 if level else self.patch)
            hidden = nn.Dense(width, dtype=self.dtype)(hidden)
            hidden = ResidualBlocks(blocks, self.dtype, self.remat)(hidden)
        hidden = nn.silu(group_norm(self.dtype)(hidden))
        return hidden.reshape(hidden.shape[0], -1)
