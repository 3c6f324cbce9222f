import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import jax_workloads
from conceal_jax.models.vae import create_model, init_params

torch = pytest.importorskip("torch")

SHRUNKEN = "configs/utkface.py:shrunken"


def both_networks(config):
    """The same parameters in JAX and in PyTorch, none of them the zeros or ones they start as."""
    from benchmarks import torch_networks, torch_workloads

    model = create_model(config, censored=False)
    params = init_params(model, config, jax.random.key(0))
    generator = np.random.default_rng(0)
    params = jax.tree.map(lambda leaf: leaf + 0.1 * generator.normal(size=leaf.shape).astype(np.float32), params)
    counterpart = torch_workloads.create_network(config)
    torch_networks.load_flax_parameters(counterpart, params)
    return model, params, counterpart


@pytest.mark.parametrize("network", ["patch", "convolutional"])
@pytest.mark.parametrize(("widths", "blocks"), [("(8, 16)", "(0, 0)"), ("(8, 16, 24)", "(0, 1, 2)")])
def test_networks_are_equal_in_both_frameworks(network, widths, blocks):
    from benchmarks.torch_workloads import to_pictures

    config = jax_workloads.load_config(
        SHRUNKEN, {"model.network": network, "model.widths": widths, "model.blocks": blocks}
    )
    model, params, counterpart = both_networks(config)
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == sum(p.numel() for p in counterpart.parameters())
    generator = np.random.default_rng(1)
    images = jax_workloads.random_pictures(config, 3).images
    labels = generator.random((3, config.attributes.width), np.float32)
    noise = generator.standard_normal((3, config.model.latent_dim), np.float32)
    output = jax.jit(model.apply)({"params": params}, *map(jnp.asarray, (images / np.float32(255), labels, noise)))
    with torch.no_grad():
        mean, log_variance, logits, recognised = counterpart(
            to_pictures(torch.from_numpy(images)), torch.from_numpy(labels), torch.from_numpy(noise)
        )
    scale = np.abs(output.logits).max()
    np.testing.assert_allclose(recognised, output.recognised, atol=1e-4, rtol=1e-4)
    np.testing.assert_allclose(mean, output.posterior.mean, atol=1e-4, rtol=1e-4)
    np.testing.assert_allclose(log_variance, output.posterior.log_variance, atol=1e-4, rtol=1e-4)
    np.testing.assert_allclose(logits.permute(0, 2, 3, 1) / scale, output.logits / scale, atol=1e-4)


def test_training_in_pytorch_lowers_its_loss():
    from benchmarks.torch_workloads import Training

    config = jax_workloads.load_config(SHRUNKEN, {"training.steps": "1000"})
    training = Training(config)
    losses = []
    for _ in range(3):
        training._sums.zero_()
        training(20)
        losses.append(float(training._sums[0]))
    assert losses[0] > losses[1] > losses[2]
