"""What passes from stage to stage: labels that are recognised, and concealed pictures that the refit keeps."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from conceal_jax.config import files as config_files
from conceal_jax.data.resident import load_resident
from conceal_jax.data.sources.open import open_collection
from conceal_jax.models.vae import create_model
from conceal_jax.runtime.parallel import create_mesh, map_step, replicate, shard_batch
from conceal_jax.training import stages
from conceal_jax.training.autoencoder_step import bind_autoencoder_step
from conceal_jax.training.evaluator import padded_batches
from conceal_jax.training.refit_step import bind_refit_step
from conceal_jax.training.state import create_optimizer

CONFIG = config_files.load_config(
    "configs/demo.py:shrunken",
    {
        "data.synthetic_count": "48",
        "objective.recognition": "50",
        "training.steps": "100",
        "training.warmup_steps": "1",
    },
)
MESH = create_mesh(jax.devices()[:1])


@pytest.fixture(scope="module")
def batch():
    resident = load_resident(open_collection(CONFIG.data, CONFIG.attributes, 0).subset("train"), 32, "center")
    return next(iter(padded_batches(resident, 16)))


@pytest.fixture(scope="module")
def seen(batch):
    """The first stage on one batch: its last state, and the figures of each step."""
    model = create_model(CONFIG, censored=False)
    bound = bind_autoencoder_step(model, CONFIG.attributes, create_optimizer(CONFIG.training), CONFIG)
    step, state, figures = map_step(bound, MESH, "pmap"), replicate(stages.first_state(CONFIG), MESH), []
    for _ in range(30):
        state, sums = step(state, shard_batch(batch, MESH))
        figures.append(sums.means())
    return jax.device_get(state), figures


@pytest.fixture(scope="module")
def censored(seen):
    # On the host, so that no step can donate it.
    return jax.device_get(stages.censor_state(seen[0].params, CONFIG, CONFIG.attributes).averaged_model())


def test_the_first_stage_learns_to_recognise_what_is_concealed(seen):
    for spec in CONFIG.attributes.concealed:
        assert seen[1][-1][f"recognised_{spec.name}"] > max(seen[1][0][f"recognised_{spec.name}"] + 0.1, 0.1)


def test_codes_are_paid_to_be_recognised(batch):
    def encoder(recognition):
        config = config_files.override(CONFIG, {"objective.recognition": recognition})
        model = create_model(config, censored=False)
        bound = bind_autoencoder_step(model, config.attributes, create_optimizer(config.training), config)
        state = replicate(stages.first_state(config), MESH)
        for _ in range(2):
            state, _ = map_step(bound, MESH, "pmap")(state, shard_batch(batch, MESH))
        return jax.device_get(state.params["encoder"])

    pairs = zip(jax.tree.leaves(encoder("50")), jax.tree.leaves(encoder("5000")), strict=True)
    assert any(np.abs(little - much).max() > 1e-4 for little, much in pairs)


def test_what_is_recognised_is_a_share_of_each_class(censored):
    first = jax.random.normal(jax.random.key(0), (5, CONFIG.model.latent_dim))
    shares = create_model(CONFIG).apply({"params": censored}, first, method="recognise")
    ends = np.cumsum([spec.width for spec in CONFIG.attributes.concealed])
    for part in np.split(shares, ends[:-1], axis=1):
        np.testing.assert_allclose(part.sum(axis=1), 1.0, rtol=1e-5)
    assert ends[-1] == shares.shape[1]


def test_released_codes_depend_on_what_is_recognised(censored, batch):
    def codes(params):
        images = jnp.asarray(batch["image"]) / 255.0
        return create_model(CONFIG).apply({"params": params}, images, method="encode").mean

    blind = censored | {"recognition": jax.tree.map(jnp.zeros_like, censored["recognition"])}
    assert np.abs(codes(censored) - codes(blind)).max() > 1e-3


def test_without_recognition_there_is_nothing_to_be_recognised():
    config = config_files.override(CONFIG, {"objective.recognition": "0"})
    assert "recognition" not in stages.first_state(config).params


@pytest.mark.parametrize(("share", "at_rest"), [(1 - 1e-7, True), (0.5, False)])
def test_under_the_neutral_label_the_refit_draws_what_was_drawn_before(censored, batch, share, at_rest):
    model, optimizer = create_model(CONFIG), create_optimizer(stages.refit_schedule(CONFIG))
    bound = partial(bind_refit_step(model, CONFIG.attributes, optimizer, CONFIG), neutral_share=share)
    step = map_step(bound, MESH, "pmap")
    _, sums = step(replicate(stages.refit_state(censored, CONFIG), MESH), shard_batch(batch, MESH))
    assert (sums.means()["gradient_norm"] < 1e-6) == at_rest
