"""What `jax_workloads` does, in PyTorch: the same training step and encoding, as fast as PyTorch does them."""

import ctypes
import math
import platform
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.jax_workloads import training_set_size
from benchmarks.timing import Work
from benchmarks.torch_networks import VAE, channels_first
from conceal_jax.config import Config


def share_one_arena() -> None:
    """Has all threads allocate from glibc's main arena: nearly all that PyTorch allocates is taken by one thread."""
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).mallopt(-8, 1)  # M_ARENA_MAX of malloc.h


def create_network(config: Config, device: str = "cpu") -> VAE:
    """In the `channels_last` format."""
    torch.manual_seed(0)
    return VAE(config).to(device, memory_format=torch.channels_last)


def to_pictures(images: Tensor) -> Tensor:
    """uint8 [batch, height, width, 3] to float32 [batch, 3, height, width] in [0, 1]."""
    return channels_first(images).float() / 255.0


class Training:
    """Steps on a set in memory: AdamW behind gradient clipping, averaged parameters, sums of metrics."""

    def __init__(self, config: Config, device: str = "cpu", compiled: bool = False) -> None:
        self._config, self._device = config, device
        self._model = create_network(config, device)
        self._averaged = [parameter.detach().clone() for parameter in self._model.parameters()]
        self._optimizer = _create_optimizer(self._model, config)
        self._schedule = torch.optim.lr_scheduler.LambdaLR(self._optimizer, lambda step: _schedule(step, config))
        self._loss: Any = torch.compile(self._mean_loss) if compiled else self._mean_loss
        size, count = config.data.image_size, training_set_size(config)
        generator = torch.Generator().manual_seed(0)
        self._images = torch.randint(0, 256, (count, size, size, 3), dtype=torch.uint8, generator=generator).to(device)
        self._labels = torch.rand(count, config.attributes.width, generator=generator).to(device)
        self._sums = torch.zeros(4, device=device)

    def __call__(self, steps: int) -> None:
        """See `timing.Work`."""
        for _ in range(steps):
            self._advance()
        if self._device != "cpu":
            torch.cuda.synchronize()

    def _advance(self) -> None:
        training = self._config.training
        rows = torch.randint(0, len(self._images), (training.batch_size,), device=self._device)
        images, flip = self._images[rows], torch.rand(len(rows), 1, 1, 1, device=self._device) < 0.5
        images = torch.where(flip, images.flip(2), images)
        bfloat16 = self._config.model.dtype == "bfloat16"
        with torch.autocast(self._device, torch.bfloat16, enabled=bfloat16):
            loss, sums = self._loss(to_pictures(images), self._labels[rows])
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._model.parameters(), training.clip_norm, foreach=True)
        self._optimizer.step()
        self._schedule.step()
        with torch.no_grad():
            torch._foreach_lerp_(self._averaged, list(self._model.parameters()), 1.0 - training.ema_decay)
            self._sums += sums

    def _mean_loss(self, images: Tensor, label_vectors: Tensor) -> tuple[Tensor, Tensor]:
        objective = self._config.objective
        noise = torch.randn(len(images), self._config.model.latent_dim, device=self._device)
        mean, log_variance, logits, recognised = self._model(images, label_vectors, noise)
        errors = (images - torch.sigmoid(logits)).square().sum(dim=(1, 2, 3))
        constant = images[0].numel() * (math.log(objective.scale) + 0.5 * math.log(2 * math.pi))
        reconstruction = 0.5 * errors / objective.scale**2 + constant
        rate = 0.5 * (mean.square() + log_variance.exp() - 1.0 - log_variance).sum(dim=1)
        per_example = reconstruction + objective.beta * rate
        if recognised is not None:
            per_example = per_example - objective.recognition * self._skill(recognised, label_vectors)
        psnr = -10.0 * torch.log10(errors.detach() / images[0].numel())
        sums = torch.stack([value.detach().sum() for value in (per_example, reconstruction, rate, psnr)])
        return per_example.mean() / images[0].numel(), sums

    def _skill(self, recognised: Tensor, label_vectors: Tensor) -> Tensor:
        """Of all attributes, [batch]; see `conceal_jax.losses.skill.skill`."""
        widths = [spec.width for spec in self._config.attributes.concealed]
        pairs = zip(recognised.float().split(widths, dim=1), label_vectors.split(widths, dim=1), strict=True)
        skills = [
            targets.sum(dim=1)
            + (targets * functional.log_softmax(logits, dim=1)).sum(dim=1) / math.log(targets.shape[1])
            for logits, targets in pairs
        ]
        return torch.stack(skills).sum(dim=0)


def _create_optimizer(model: VAE, config: Config) -> torch.optim.Optimizer:
    matrices = [parameter for parameter in model.parameters() if parameter.ndim > 1]
    vectors = [parameter for parameter in model.parameters() if parameter.ndim <= 1]
    groups = [
        {"params": matrices, "weight_decay": config.training.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.training.learning_rate, fused=True)


def _schedule(step: int, config: Config) -> float:
    warmup, steps = config.training.warmup_steps, max(config.training.steps, config.training.warmup_steps + 1)
    if step < warmup:
        return step / warmup
    return 0.5 * (1.0 + math.cos(math.pi * min(1.0, (step - warmup) / (steps - warmup))))


def encoding(config: Config, batch_size: int, device: str = "cpu", compiled: bool = False) -> Work:
    """Batches of pictures in the host's memory to codes there."""
    model = create_network(config, device).eval()
    posterior: Any = torch.compile(model.encode) if compiled else model.encode
    size, pool = config.data.image_size, max(1, 2048 // batch_size) * batch_size
    pictures = np.random.default_rng(0).integers(0, 256, (pool, size, size, 3), np.uint8)

    @torch.inference_mode()
    def codes(images: np.ndarray) -> np.ndarray:
        with torch.autocast(device, torch.bfloat16, enabled=config.model.dtype == "bfloat16"):
            mean, log_variance = posterior(to_pictures(torch.from_numpy(images).to(device)))
        return (mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)).cpu().numpy()

    def encode(batches: int) -> None:
        for start in range(0, batches * batch_size, pool):
            part = pictures[: batches * batch_size - start]
            np.concatenate([codes(part[at : at + batch_size]) for at in range(0, len(part), batch_size)])

    return encode


def matrix_product(size: int) -> tuple[Work, float]:
    """A float32 product of square matrices, and its FLOPs."""
    matrix = torch.randn(size, size)

    def multiply(times: int) -> None:
        for _ in range(times):
            matrix @ matrix

    return multiply, 2.0 * size**3
