"""The examples of docs/research.md do what the page says."""

import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from conceal_jax.audit.certificates.certify import certify_noise_mechanism
from conceal_jax.evaluation.certificates import described
from conceal_jax.models.bottleneck import BOTTLENECKS, create_bottleneck
from conceal_jax.research import member_of, stacked
from conceal_jax.research.members import begin_member, update
from tests.research.conftest import overridden

TEXT = Path("docs/research.md").read_text(encoding="utf-8")
OWN, DERIVATIVE = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


def test_a_bottleneck_of_ones_own_is_trained_and_certified(items, attributes, monkeypatch):
    monkeypatch.setitem(BOTTLENECKS, "squashed", None)
    exec(OWN, {"__name__": "example"})
    configs = [overridden(model__bottleneck="squashed", model__noise=noise) for noise in (1.0, 4.0)]
    members = stacked([member_of(config) for config in configs])
    states = jax.vmap(lambda member: begin_member(member, config=configs[0]))(members)
    batch = {"image": items.images[:32], "labels": items.labels, "mask": items.valid[:32]}
    batch["labels"] = {name: values[:32] for name, values in items.labels.items()}
    _, sums = jax.vmap(lambda state, member: update(state, member, batch, config=configs[0], attributes=attributes))(
        states, members
    )
    assert np.isfinite(sums.totals["loss"]).all()
    release = described(create_bottleneck(configs[1].model))
    certificate = certify_noise_mechanism(release, attribute="gender", priors=np.full(2, 0.5))
    assert certificate.bound == pytest.approx(stats.norm.cdf(2 / 4), abs=1e-6)


def test_leakage_is_differentiated_by_beta(capsys):
    """Forward mode through all of training, against differences of whole trainings."""
    example: dict = {"__name__": "example"}
    exec(DERIVATIVE, example)
    value, slope = example["value_and_slope"](20.0)
    assert f"{float(value):.4f}"[:5] in capsys.readouterr().out
    above, below = jax.jit(jax.vmap(example["leakage"]))(jnp.array([20.5, 19.5]))
    assert np.isfinite(value)
    assert slope != 0
    assert slope == pytest.approx(float(above - below), rel=0.1, abs=1e-5)
