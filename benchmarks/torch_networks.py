"""The networks of the benchmarks in PyTorch, equal in structure to those in JAX.

Feature maps are `channels_last`: a dense layer over channels, and the moves of pixels into channels and back, see them
as [batch, rows, columns, channels] without a copy, just as JAX does.
"""

import itertools
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from conceal_jax.config import Config
from conceal_jax.models.bottleneck import LOG_VARIANCE_BOUND
from conceal_jax.models.join_labels import LABEL_GAIN
from conceal_jax.models.layers import GROUP_SIZE

FLAX_NAMES = {
    "dense": "Dense",
    "conv": "Conv",
    "norm": "GroupNorm",
    "layer_norm": "LayerNorm",
    "transposed": "ConvTranspose",
    "residual": "ResidualBlocks",
    "block": "block",
}
"""Flax's names of the layers that stand in a list here; layer 0 of `dense` is `Dense_0` there."""


def space_to_depth(images: Tensor, block: int) -> Tensor:
    """See `conceal_jax.models.layers.space_to_depth`."""
    batch, height, width, channels = images.shape
    squares = images.reshape(batch, height // block, block, width // block, block, channels)
    return squares.permute(0, 1, 3, 2, 4, 5).reshape(batch, height // block, width // block, -1)


def depth_to_space(images: Tensor, block: int) -> Tensor:
    """See `conceal_jax.models.layers.depth_to_space`."""
    batch, rows, columns, _ = images.shape
    squares = images.reshape(batch, rows, columns, block, block, -1)
    return squares.permute(0, 1, 3, 2, 4, 5).reshape(batch, rows * block, columns * block, -1)


def channels_last(images: Tensor) -> Tensor:
    """[batch, channels, rows, columns] seen as [batch, rows, columns, channels]."""
    return images.permute(0, 2, 3, 1)


def channels_first(images: Tensor) -> Tensor:
    """[batch, rows, columns, channels] seen as [batch, channels, rows, columns], in the `channels_last` format."""
    return images.permute(0, 3, 1, 2)


def group_norm(channels: int) -> nn.GroupNorm:
    """Over groups of as many channels as in JAX."""
    return nn.GroupNorm(channels // GROUP_SIZE, channels, eps=1e-6)


class ResidualBlock(nn.Module):
    """Two normalised 3x3 convolutions added to their input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.ModuleList(group_norm(channels) for _ in range(2))
        self.conv = nn.ModuleList(nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2))
        nn.init.zeros_(self.conv[1].weight)

    def forward(self, images: Tensor) -> Tensor:
        """[batch, channels, rows, columns] to the same."""
        hidden = self.conv[0](functional.silu(self.norm[0](images)))
        return images + self.conv[1](functional.silu(self.norm[1](hidden)))


class ResidualBlocks(nn.Module):
    """Residual blocks one after the other."""

    def __init__(self, count: int, channels: int) -> None:
        super().__init__()
        self.block = nn.ModuleList(ResidualBlock(channels) for _ in range(count))

    def forward(self, images: Tensor) -> Tensor:
        """[batch, rows, columns, channels] to the same."""
        hidden = channels_first(images)
        for block in self.block:
            hidden = block(hidden)
        return channels_last(hidden)


def norm_silu(norm: nn.Module, images: Tensor) -> Tensor:
    """Of [batch, rows, columns, channels]."""
    return channels_last(functional.silu(norm(channels_first(images))))


class PatchEncoder(nn.Module):
    """See `conceal_jax.models.encoder.Encoder`."""

    def __init__(self, patch: int, widths: tuple[int, ...], blocks: tuple[int, ...]) -> None:
        super().__init__()
        self.patch = patch
        inputs = (3 * patch**2, *(4 * width for width in widths[:-1]))
        self.dense = nn.ModuleList(map(nn.Linear, inputs, widths))
        self.residual = nn.ModuleList(map(ResidualBlocks, blocks, widths))
        self.norm = nn.ModuleList([group_norm(widths[-1])])

    def forward(self, images: Tensor) -> Tensor:
        """[batch, 3, height, width] in [0, 1] to features."""
        hidden, block = channels_last(images * 2.0 - 1.0), self.patch
        for dense, residual in zip(self.dense, self.residual, strict=True):
            hidden, block = residual(dense(space_to_depth(hidden, block))), 2
        return norm_silu(self.norm[0], hidden).flatten(1)


class PatchDecoder(nn.Module):
    """See `conceal_jax.models.decoder.Decoder`."""

    def __init__(
        self, inputs: int, image_size: int, patch: int, widths: tuple[int, ...], blocks: tuple[int, ...]
    ) -> None:
        super().__init__()
        self.patch, self.side = patch, image_size // (patch * 2 ** (len(widths) - 1))
        merged = [nn.Linear(wide, 4 * narrow) for narrow, wide in itertools.pairwise(widths)][::-1]
        first, last = nn.Linear(inputs, self.side**2 * widths[-1]), nn.Linear(widths[0], 3 * patch**2)
        self.dense = nn.ModuleList([first, *merged, last])
        self.residual = nn.ModuleList(map(ResidualBlocks, blocks[::-1], widths[::-1]))
        self.norm = nn.ModuleList([group_norm(widths[0])])

    def forward(self, joined: Tensor) -> Tensor:
        """[batch, inputs] to logits [batch, 3, height, width]."""
        hidden = self.dense[0](joined).unflatten(1, (self.side, self.side, -1))
        for level, residual in enumerate(self.residual):
            hidden = residual(depth_to_space(self.dense[level](hidden), 2) if level else hidden)
        hidden = self.dense[-1](norm_silu(self.norm[0], hidden))
        return channels_first(depth_to_space(hidden, self.patch))


class ConvolutionalEncoder(nn.Module):
    """See `conceal_jax.models.convolutional.ConvolutionalEncoder`."""

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        shapes = zip((3, *widths), widths, strict=False)
        self.conv = nn.ModuleList(nn.Conv2d(*shape, 4, stride=2, padding=1) for shape in shapes)
        self.norm = nn.ModuleList(map(group_norm, widths))

    def forward(self, images: Tensor) -> Tensor:
        """[batch, 3, height, width] in [0, 1] to features."""
        hidden = images * 2.0 - 1.0
        for conv, norm in zip(self.conv, self.norm, strict=True):
            hidden = functional.silu(norm(conv(hidden)))
        return channels_last(hidden).flatten(1)


class ConvolutionalDecoder(nn.Module):
    """See `conceal_jax.models.convolutional.ConvolutionalDecoder`."""

    def __init__(self, inputs: int, image_size: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.side = image_size // 2 ** len(widths)
        self.dense = nn.ModuleList([nn.Linear(inputs, self.side**2 * widths[-1])])
        shapes = zip(widths[::-1], (*widths[-2::-1], 3), strict=True)
        self.transposed = nn.ModuleList(nn.ConvTranspose2d(*shape, 4, stride=2, padding=1) for shape in shapes)
        self.norm = nn.ModuleList(map(group_norm, widths[::-1]))

    def forward(self, joined: Tensor) -> Tensor:
        """[batch, inputs] to logits [batch, 3, height, width]."""
        hidden = channels_first(self.dense[0](joined).unflatten(1, (self.side, self.side, -1)))
        for transposed, norm in zip(self.transposed, self.norm, strict=True):
            hidden = transposed(functional.silu(norm(hidden)))
        return hidden


class Bottleneck(nn.Module):
    """The layer of `conceal_jax.models.bottleneck.BottleneckLayer`."""

    def __init__(self, features: int, latent_dim: int) -> None:
        super().__init__()
        self.statistics = nn.Linear(features, 2 * latent_dim)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """[batch, features] to mean and log-variance."""
        mean, raw = self.statistics(features.float()).chunk(2, dim=1)
        return mean, LOG_VARIANCE_BOUND * torch.tanh(raw / LOG_VARIANCE_BOUND)


class Recognition(nn.Module):
    """See `conceal_jax.models.censor.Recognition`."""

    def __init__(self, latent_dim: int, outputs: int, width: int = 256) -> None:
        super().__init__()
        self.dense = nn.ModuleList([nn.Linear(latent_dim, width), nn.Linear(width, outputs)])
        self.layer_norm = nn.ModuleList([nn.LayerNorm(width, eps=1e-6)])

    def forward(self, codes: Tensor) -> Tensor:
        """[batch, latent] to logits of the label vector."""
        return self.dense[1](functional.silu(self.layer_norm[0](self.dense[0](codes))))


class VAE(nn.Module):
    """See `conceal_jax.models.vae.VAE`, without a censor."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        model, size = config.model, config.data.image_size
        inputs = model.latent_dim + config.attributes.width
        if model.network == "convolutional":
            self.encoder: nn.Module = ConvolutionalEncoder(model.widths)
            self.decoder: nn.Module = ConvolutionalDecoder(inputs, size, model.widths)
        else:
            self.encoder = PatchEncoder(model.patch, model.widths, model.blocks)
            self.decoder = PatchDecoder(inputs, size, model.patch, model.widths, model.blocks)
        features = self.decoder.side**2 * model.widths[-1]
        self.bottleneck = Bottleneck(features, model.latent_dim)
        recognised = bool(config.objective.recognition)
        self.recognition = Recognition(model.latent_dim, config.attributes.width) if recognised else None

    def forward(self, images: Tensor, label_vectors: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor, Any]:
        """Mean, log-variance, logits and recognised labels, if any, of pictures [batch, 3, height, width] in [0, 1]."""
        mean, log_variance = self.encode(images)
        codes = mean + torch.exp(0.5 * log_variance) * noise
        logits = self.decoder(torch.cat([codes, LABEL_GAIN * label_vectors], dim=1))
        return mean, log_variance, logits.float(), self.recognition(codes) if self.recognition else None

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance."""
        return self.bottleneck(self.encoder(images))


@torch.no_grad()
def load_flax_parameters(module: nn.Module, params: Mapping[str, Any]) -> None:
    """Copies a Flax parameter tree into the module of equal structure.

    Raises:
        KeyError: a parameter has no counterpart.
    """
    for name, parameter in module.named_parameters():
        layer, _, kind = re.sub(r"(\w+)\.(\d+)", _flax_layer, name).rpartition(".")
        tree = params
        for part in layer.split("."):
            tree = tree[part]
        if kind == "weight":
            kind = "kernel" if parameter.ndim > 1 else "scale"
        values = np.array(tree[kind])
        parameter.copy_(torch.from_numpy(_torch_layout(values, layer)))


def _flax_layer(match: re.Match[str]) -> str:
    return f"{FLAX_NAMES[match[1]]}_{match[2]}"


def _torch_layout(values: np.ndarray, layer: str) -> np.ndarray:
    """[in, out], or [rows, columns, in, out], to PyTorch's order; transposed kernels are turned round there."""
    if values.ndim == 4 and "ConvTranspose" in layer:
        return values[::-1, ::-1].transpose(2, 3, 0, 1).copy()
    return values.transpose(3, 2, 0, 1).copy() if values.ndim == 4 else values.T.copy()
