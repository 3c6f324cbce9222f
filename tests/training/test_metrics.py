import json
import resource

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow as tf

from conceal_jax.runtime.errors import NonFiniteError
from conceal_jax.training.metrics import (
    MetricWriter,
    masked_sums,
    psnr,
    read_metrics,
    require_finite,
    ssim,
)

PAIR = jax.random.uniform(jax.random.key(0), (2, 3, 32, 32, 3))


def test_psnr_equals_tensorflow():
    images, others = PAIR
    np.testing.assert_allclose(
        psnr(images, others), tf.image.psnr(np.asarray(images), np.asarray(others), 1.0), rtol=1e-5
    )


def test_psnr_of_equal_pictures_is_finite():
    assert np.isfinite(psnr(PAIR[0], PAIR[0])).all()


@pytest.mark.parametrize("mix", [0.0, 0.1, 0.9])
def test_ssim_equals_tensorflow(mix):
    images, others = PAIR
    others = (1 - mix) * images + mix * others
    np.testing.assert_allclose(
        ssim(images, others), tf.image.ssim(np.asarray(images), np.asarray(others), 1.0), rtol=1e-3, atol=1e-4
    )


def test_masked_means_weigh_every_example_alike():
    """Never means of means: a batch of 3 and a tail of 1 give the mean of 4."""
    first = masked_sums({"x": jnp.array([1.0, 2.0, 3.0])}, jnp.array([True] * 3), jnp.int32(0))
    tail = masked_sums({"x": jnp.array([10.0, 99.0, jnp.nan])}, jnp.array([True, False, False]), jnp.int32(1))
    assert first.merge(tail).means() == {"x": 4.0}


def test_non_finite_values_are_named_with_their_first_step():
    mask = jnp.array([True, True])
    good = masked_sums({"rate": jnp.ones(2), "loss": jnp.ones(2)}, mask, jnp.int32(3))
    require_finite(good)
    bad = masked_sums({"rate": jnp.array([1.0, jnp.inf]), "loss": jnp.ones(2)}, mask, jnp.int32(4))
    worse = masked_sums({"rate": jnp.ones(2) * jnp.nan, "loss": jnp.ones(2) * jnp.nan}, mask, jnp.int32(5))
    with pytest.raises(NonFiniteError, match="not finite at step 4: rate;"):
        require_finite(good.merge(bad).merge(worse))


def test_masked_sums_over_devices_equal_those_of_one():
    values = jax.random.normal(jax.random.key(0), (8, 4))
    mask = jax.random.bernoulli(jax.random.key(1), 0.6, (8, 4))
    mapped = jax.vmap(lambda v, m: masked_sums({"x": v}, m, jnp.int32(0), "i"), axis_name="i")(values, mask)
    whole = masked_sums({"x": values.reshape(-1)}, mask.reshape(-1), jnp.int32(0))
    np.testing.assert_allclose(mapped.totals["x"], jnp.full(8, whole.totals["x"]), rtol=1e-5)
    np.testing.assert_array_equal(mapped.count, jnp.full(8, whole.count))


def test_a_resumed_writer_keeps_every_step_once(tmp_path):
    writer = MetricWriter(tmp_path)
    for step in (1, 2, 3):
        writer.write(step, {"loss": float(step)})
    writer.close()
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 4, "lo')
    resumed = MetricWriter(tmp_path, resume_step=2)
    resumed.write(3, {"loss": 3.5})
    resumed.close()
    assert [(row["step"], row["loss"]) for row in read_metrics(tmp_path / "metrics.jsonl")] == [
        (1, 1.0),
        (2, 2.0),
        (3, 3.5),
    ]
    assert list((tmp_path / "events").iterdir())


def test_metrics_are_json_lines(tmp_path):
    writer = MetricWriter(tmp_path)
    writer.write(7, {"train/loss": 1.25})
    writer.close()
    assert json.loads((tmp_path / "metrics.jsonl").read_text()) == {"step": 7, "train/loss": 1.25}


def test_figures_wait_for_space(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    writer = MetricWriter(tmp_path)
    writer.write(1, {"loss": 1.0})
    resource.setrlimit(resource.RLIMIT_FSIZE, (40, hard))
    try:
        with pytest.raises(OSError, match="too large"):
            writer.write(2, {"loss": 2.0})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    writer.write(3, {"loss": 3.0})
    writer.close()
    assert [row["step"] for row in read_metrics(tmp_path / "metrics.jsonl")] == [1, 2, 3]
