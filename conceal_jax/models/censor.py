"""The censor: a small VAE on the codes of another one, that leaves out what they tell of the concealed attributes.

The first codes hold all that the picture needs; between them and the released code lie perceptrons alone, so that
adversaries can be met thousands of times in the time that one pass over the pictures takes.
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from conceal_jax.models.bottleneck import BottleneckLayer, Posterior


class Features(nn.Module):
    """Two hidden layers of one width, the second added to the first, and the inputs as they are beside them.

    What comes after is affine, so that an affine map of the inputs, most of what there is to learn, is learned at once.
    """

    width: int

    @nn.compact
    def __call__(self, inputs: Float[Array, "batch inputs"]) -> Float[Array, "batch features"]:
        hidden = nn.silu(nn.Dense(self.width)(inputs))
        hidden = hidden + nn.silu(nn.Dense(self.width)(hidden))
        return jnp.concatenate([hidden, inputs], axis=-1)


class Recognition(nn.Module):
    """A perceptron that reads the concealed labels from first codes: a censor can take out only what it sees.

    Attributes:
        parts: length of each attribute's part of the label vector.
        width: hidden units.
    """

    parts: tuple[int, ...]
    width: int = 256

    @nn.compact
    def __call__(self, first: Float[Array, "batch first"]) -> Float[Array, "batch labels"]:
        """Logits of the label vector."""
        hidden = nn.silu(nn.LayerNorm()(nn.Dense(self.width)(first)))
        return nn.Dense(sum(self.parts))(hidden)

    def probabilities(self, first: Float[Array, "batch first"]) -> Float[Array, "batch labels"]:
        """The label vector that is expected."""
        parts = jnp.split(self(first), np.cumsum(self.parts)[:-1], axis=-1)
        return jnp.concatenate([jax.nn.softmax(part) for part in parts], axis=-1)


class Censor(nn.Module):
    """First codes to the posterior of released codes, and released codes with labels back to first codes.

    Attributes:
        bottleneck: of the released codes.
        width: hidden units.
        first_dim: length of the first codes.
    """

    bottleneck: BottleneckLayer
    width: int
    first_dim: int

    def setup(self) -> None:
        self.encoder = Features(self.width)
        self.decoder = nn.Sequential([Features(self.width), nn.Dense(self.first_dim)])

    def __call__(
        self,
        first: Float[Array, "batch first"],
        recognised: Float[Array, "batch recognised"],
        label_vectors: Float[Array, "batch labels"],
        noise: Float[Array, "batch latent"],
    ) -> Float[Array, "batch first"]:
        """First codes as they are after encoding, sampling, and decoding under the labels."""
        return self.decode(self.sample(self.encode(first, recognised), noise), label_vectors)

    def encode(self, first: Float[Array, "batch first"], recognised: Float[Array, "batch recognised"]) -> Posterior:
        """The posterior of the released codes of first codes, and of what is recognised in them."""
        return self.bottleneck.posterior(self.encoder(jnp.concatenate([first, recognised], axis=-1)))

    def sample(self, posterior: Posterior, noise: Float[Array, "batch latent"]) -> Float[Array, "batch latent"]:
        """Released codes, drawn with noise from N(0, I)."""
        return self.bottleneck.code.sample(posterior, noise)

    def decode(
        self, codes: Float[Array, "batch latent"], label_vectors: Float[Array, "batch labels"]
    ) -> Float[Array, "batch first"]:
        """First codes that released codes stand for under labels."""
        decoded: Any = self.decoder(self.bottleneck.join(codes, label_vectors))
        return decoded
