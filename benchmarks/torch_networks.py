"""The networks of the benchmarks in PyTorch, equal in structure to those in JAX, at their fastest.

Feature maps are `channels_last`: a dense layer over channels, and the moves of pixels into channels and back, see them
as [batch, rows, columns, channels] without a copy, just as JAX does. Pixels of the decoder are in nested order and
layers of the encoder with nothing between them are one product, as in JAX: training is faster by a tenth for the first,
by an eighth for the second, encoding by a fifth.
"""

import itertools
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from conceal_jax.config import Config
from conceal_jax.models.bottleneck import LABEL_GAIN, LOG_VARIANCE_BOUND
from conceal_jax.models.layers import GROUP_CHANNELS

FLAX_NAMES = {
    "dense": "Dense",
    "conv": "Conv",
    "layer_norm": "LayerNorm",
    "transposed": "ConvTranspose",
    "residual": "ResidualBlock",
}
"""Flax's names of the layers that stand in a list here; layer 0 of `dense` is `Dense_0` there."""


def space_to_depth(images: Tensor, *blocks: int) -> Tensor:
    """See `conceal_jax.models.layers.space_to_depth`."""
    batch, height, width, channels = images.shape
    block, middle = math.prod(blocks), len(blocks) + 2
    cells = images.reshape(batch, height // block, *blocks, width // block, *blocks, channels)
    pairs = itertools.chain(*zip(range(1, middle), range(middle, 2 * middle - 1), strict=True))
    return cells.permute(0, *pairs, 2 * middle - 1).reshape(batch, height // block, width // block, -1)


def depth_to_space(images: Tensor, *blocks: int) -> Tensor:
    """See `conceal_jax.models.layers.depth_to_space`."""
    batch, rows, columns, _ = images.shape
    block, last = math.prod(blocks), 2 * len(blocks) + 3
    sides = itertools.chain(*((block, block) for block in blocks))
    cells = images.reshape(batch, rows, columns, *sides, -1)
    cells = cells.permute(0, *range(1, last, 2), *range(2, last, 2), last)
    return cells.reshape(batch, rows * block, columns * block, -1)


def on_grid(layers: Iterable[nn.Module], pixels: Tensor, side: int) -> Tensor:
    """See `conceal_jax.models.layers.on_grid`."""
    layers = list(layers)
    if not layers:
        return pixels
    batch, count, channels = pixels.shape
    halvings = (2,) * int(math.log2(count // side**2) / 2)
    grid = channels_first(depth_to_space(pixels.reshape(batch, side, side, -1), *halvings))
    for layer in layers:
        grid = layer(grid)
    return space_to_depth(channels_last(grid), *halvings).reshape(batch, count, channels)


def norm_silu(norm: nn.GroupNorm, pixels: Tensor) -> Tensor:
    """Normalises [batch, pixels, channels]; with two dimensions of pixels, PyTorch knows it for `channels_last`."""
    return functional.silu(norm(channels_first(pixels[:, None]))).permute(0, 2, 3, 1)[:, 0]


def channels_last(images: Tensor) -> Tensor:
    """[batch, channels, rows, columns] seen as [batch, rows, columns, channels]."""
    return images.permute(0, 2, 3, 1)


def channels_first(images: Tensor) -> Tensor:
    """[batch, rows, columns, channels] seen as [batch, channels, rows, columns], in the `channels_last` format."""
    return images.permute(0, 3, 1, 2)


def group_norm(channels: int) -> nn.GroupNorm:
    """Over groups of as many channels as in JAX."""
    return nn.GroupNorm(channels // GROUP_CHANNELS, channels, eps=1e-6)


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


def joint_kernel(kernel: Tensor, bias: Tensor, coarser: Any) -> tuple[Tensor, Tensor]:
    """Kernel and bias of two convolutions without overlap, one after the other, as one."""
    both = torch.einsum("fcyx,wfij->wciyjx", kernel, coarser.weight)
    side = kernel.shape[-1] * coarser.weight.shape[-1]
    joint_bias = torch.einsum("f,wfij->w", bias, coarser.weight) + coarser.bias
    return both.reshape(len(coarser.weight), -1, side, side), joint_bias


def without_overlap(images: Tensor, kernel: Tensor, bias: Tensor) -> Tensor:
    """A convolution whose stride is its size, as a product: of large squares, faster than PyTorch's convolution."""
    squares = space_to_depth(channels_last(images), kernel.shape[-1])
    return channels_first(functional.linear(squares, kernel.permute(0, 2, 3, 1).flatten(1), bias))


class PatchEncoder(nn.Module):
    """See `conceal_jax.models.encoder.Encoder`; its dense layers are convolutions without overlap here."""

    def __init__(self, patch: int, widths: tuple[int, ...], blocks: tuple[int, ...]) -> None:
        super().__init__()
        self.blocks = blocks
        shapes = zip((3, *widths), widths, (patch, *(2 for _ in widths[1:])), strict=False)
        self.dense = nn.ModuleList(nn.Conv2d(*shape, block, stride=block) for *shape, block in shapes)
        self.residual = nn.ModuleList(
            ResidualBlock(width) for width, count in zip(widths, blocks, strict=True) for _ in range(count)
        )
        self.norm = nn.ModuleList([group_norm(widths[-1])])

    def forward(self, images: Tensor) -> Tensor:
        """[batch, 3, height, width] in [0, 1] to features."""
        hidden, residual, joint = images * 2.0 - 1.0, iter(self.residual), None
        for level, blocks in enumerate(self.blocks):
            layer: Any = self.dense[level]
            joint = joint_kernel(*joint, layer) if joint else (layer.weight, layer.bias)
            if blocks or level == len(self.blocks) - 1:
                hidden, joint = without_overlap(hidden, *joint), None
            for _ in range(blocks):
                hidden = next(residual)(hidden)
        return channels_last(functional.silu(self.norm[0](hidden))).flatten(1)


class PatchDecoder(nn.Module):
    """See `conceal_jax.models.decoder.Decoder`."""

    def __init__(
        self, inputs: int, image_size: int, patch: int, widths: tuple[int, ...], blocks: tuple[int, ...]
    ) -> None:
        super().__init__()
        self.patch, self.blocks, self.side = patch, blocks, image_size // (patch * 2 ** (len(widths) - 1))
        ups = [nn.Linear(wide, 4 * narrow) for narrow, wide in itertools.pairwise(widths)][::-1]
        first, last = nn.Linear(inputs, self.side**2 * widths[-1]), nn.Linear(widths[0], 3 * patch**2)
        self.dense = nn.ModuleList([first, *ups, last])
        self.residual = nn.ModuleList(
            ResidualBlock(width) for width, count in zip(widths[::-1], blocks[::-1], strict=True) for _ in range(count)
        )
        self.norm = nn.ModuleList([group_norm(widths[0])])

    def forward(self, joined: Tensor) -> Tensor:
        """[batch, inputs] to logits [batch, 3, height, width]."""
        dense, residual, levels = iter(self.dense), iter(self.residual), len(self.blocks)
        hidden = next(dense)(joined).unflatten(1, (self.side**2, -1))
        for level in reversed(range(levels)):
            hidden = on_grid(itertools.islice(residual, self.blocks[level]), hidden, self.side)
            if level:
                hidden = next(dense)(hidden).reshape(len(joined), 4 * hidden.shape[1], -1)
        hidden = next(dense)(norm_silu(self.norm[0], hidden))
        halvings = (2,) * (levels - 1)
        grid = hidden.reshape(len(joined), self.side, self.side, -1)
        return channels_first(depth_to_space(grid, *halvings, self.patch))


class ClassicalEncoder(nn.Module):
    """See `conceal_jax.models.classical.ClassicalEncoder`."""

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        shapes = zip((3, *widths), widths, strict=False)
        self.conv = nn.ModuleList(nn.Conv2d(*shape, 3, stride=2, padding=1) for shape in shapes)
        self.norm = nn.ModuleList(map(group_norm, widths))

    def forward(self, images: Tensor) -> Tensor:
        """[batch, 3, height, width] in [0, 1] to features."""
        hidden = images * 2.0 - 1.0
        for conv, norm in zip(self.conv, self.norm, strict=True):
            hidden = functional.silu(norm(conv(hidden)))
        return channels_last(hidden).flatten(1)


class ClassicalDecoder(nn.Module):
    """See `conceal_jax.models.classical.ClassicalDecoder`."""

    def __init__(self, inputs: int, image_size: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.side = image_size // 2 ** len(widths)
        narrow = (*widths[-2::-1], widths[0])
        self.dense = nn.ModuleList([nn.Linear(inputs, self.side**2 * widths[-1])])
        self.transposed = nn.ModuleList(
            nn.ConvTranspose2d(*shape, 3, stride=2, padding=1, output_padding=1)
            for shape in zip(widths[::-1], narrow, strict=True)
        )
        self.norm = nn.ModuleList(map(group_norm, narrow))
        self.conv = nn.ModuleList([nn.Conv2d(widths[0], 3, 3, padding=1)])

    def forward(self, joined: Tensor) -> Tensor:
        """[batch, inputs] to logits [batch, 3, height, width]."""
        hidden = channels_first(functional.silu(self.dense[0](joined)).unflatten(1, (self.side, self.side, -1)))
        for transposed, norm in zip(self.transposed, self.norm, strict=True):
            hidden = functional.silu(norm(transposed(hidden)))
        return self.conv[0](hidden)


class Bottleneck(nn.Module):
    """The layer of `conceal_jax.models.bottleneck.GaussianBottleneck`."""

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
        if model.network == "classical":
            self.encoder: nn.Module = ClassicalEncoder(model.widths)
            self.decoder: nn.Module = ClassicalDecoder(inputs, size, model.widths)
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
        if values.ndim == 2 and parameter.ndim == 4:
            values = values.reshape(*parameter.shape[2:], parameter.shape[1], -1)
        parameter.copy_(torch.from_numpy(_torch_layout(values, layer)))


def _flax_layer(match: re.Match[str]) -> str:
    return f"{FLAX_NAMES.get(match[1], 'GroupNorm')}_{match[2]}"


def _torch_layout(values: np.ndarray, layer: str) -> np.ndarray:
    """[in, out], or [rows, columns, in, out], to PyTorch's order; transposed kernels are turned round there."""
    if values.ndim == 4 and "ConvTranspose" in layer:
        return values[::-1, ::-1].transpose(2, 3, 0, 1).copy()
    return values.transpose(3, 2, 0, 1).copy() if values.ndim == 4 else values.T.copy()
