"""The censor: a small VAE on the autoencoder's codes that leaves out what they leak of the concealed attributes.

The autoencoder's codes hold all that the picture needs. Between them and the released code lie perceptrons alone, so
that the censor meets its adversaries thousands of times while one pass over the pictures takes place.
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from conceal_jax.models.bottleneck import BottleneckLayer, Posterior
from conceal_jax.models.join_labels import join_labels


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
    """A perceptron that predicts the concealed labels from uncensored codes, so that the censor knows what to remove.

    Attributes:
        parts: length of each attribute's part of the label vector.
        width: hidden units.
    """

    parts: tuple[int, ...]
    width: int = 256

    @nn.compact
    def __call__(self, uncensored: Float[Array, "batch uncensored"]) -> Float[Array, "batch labels"]:
        """Logits of the label vector."""
        hidden = nn.silu(nn.LayerNorm()(nn.Dense(self.width)(uncensored)))
        return nn.Dense(sum(self.parts))(hidden)

    def probabilities(self, uncensored: Float[Array, "batch uncensored"]) -> Float[Array, "batch labels"]:
        """The label vector that is expected."""
        parts = jnp.split(self(uncensored), np.cumsum(self.parts)[:-1], axis=-1)
        return jnp.concatenate([jax.nn.softmax(part) for part in parts], axis=-1)


class Censor(nn.Module):
    """Uncensored codes to the posterior of released codes, and released codes with labels back to uncensored ones.

    Attributes:
        bottleneck: of the released codes.
        width: hidden units.
        uncensored_dim: length of the uncensored codes.
    """

    bottleneck: BottleneckLayer
    width: int
    uncensored_dim: int

    def setup(self) -> None:
        self.encoder = Features(self.width)
        self.decoder = nn.Sequential([Features(self.width), nn.Dense(self.uncensored_dim)])

    def __call__(
        self,
        uncensored: Float[Array, "batch uncensored"],
        recognised: Float[Array, "batch recognised"],
        label_vectors: Float[Array, "batch labels"],
        noise: Float[Array, "batch latent"],
    ) -> Float[Array, "batch uncensored"]:
        """Uncensored codes after encoding, sampling, and decoding under the labels."""
        return self.decode(self.sample(self.encode(uncensored, recognised), noise), label_vectors)

    def encode(
        self, uncensored: Float[Array, "batch uncensored"], recognised: Float[Array, "batch recognised"]
    ) -> Posterior:
        """The posterior of the released codes, given uncensored codes and what is recognised in them."""
        return self.bottleneck.posterior(self.encoder(jnp.concatenate([uncensored, recognised], axis=-1)))

    def sample(self, posterior: Posterior, noise: Float[Array, "batch latent"]) -> Float[Array, "batch latent"]:
        """Released codes, drawn with noise from N(0, I)."""
        return self.bottleneck.code.sample(posterior, noise)

    def decode(
        self, codes: Float[Array, "batch latent"], label_vectors: Float[Array, "batch labels"]
    ) -> Float[Array, "batch uncensored"]:
        """Uncensored codes that released codes stand for under labels."""
        decoded: Any = self.decoder(join_labels(codes, label_vectors))
        return decoded
