"""Adversaries: perceptrons that read labels from codes and train along with the censor, which learns to defeat them."""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float


class AdversaryEnsemble(nn.Module):
    """Perceptrons of different widths and norms side by side; each reads all concealed attributes at once.

    Attributes:
        widths: hidden units of the members' two layers; 0 for a linear member. Every other one normalises its layers.
        outputs: length of the attributes' label vector.
    """

    widths: tuple[int, ...]
    outputs: int

    @nn.compact
    def __call__(self, codes: Float[Array, "batch latent"]) -> Float[Array, "members batch outputs"]:
        """Logits of the label vector, attribute by attribute."""
        members = [
            _Member(width, index % 2 == 1, self.outputs, name=f"member_{index}")(codes)
            for index, width in enumerate(self.widths)
        ]
        return jnp.stack(members)


class _Member(nn.Module):
    width: int
    normalised: bool
    outputs: int

    @nn.compact
    def __call__(self, codes: Float[Array, "batch latent"]) -> Float[Array, "batch outputs"]:
        hidden = codes
        for _ in range(2 if self.width else 0):
            hidden = nn.Dense(self.width)(hidden)
            hidden = nn.silu(nn.LayerNorm()(hidden) if self.normalised else hidden)
        return nn.Dense(self.outputs)(hidden)
