import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from conceal_jax.config import files as config_files
from conceal_jax.config.schema import MAX_SKIPPED_IN_A_ROW
from conceal_jax.runtime.errors import NonFiniteError
from conceal_jax.training import loop
from conceal_jax.training.feed import ResidentFeed
from conceal_jax.training.metrics import Sums, read_metrics
from conceal_jax.training.skipping import SkippedSteps

CONFIG = config_files.load_config("configs/demo.py:shrunken", {"training.on_nonfinite": "skip", "censor.steps": "0"})
BAD = 3
ADVANCE = ResidentFeed.advance


def poisoned(self, state, step, count):
    """The batch of one step gives no finite loss."""
    if step == BAD:
        with jax.transfer_guard("allow"):
            state = state.replace(params=jax.tree.map(lambda leaf: leaf * jnp.nan, state.params))
    return ADVANCE(self, state, step, 1)


def left_out(self, state, step, count):
    """The same run, if that batch had never been."""
    if step == BAD:
        with jax.transfer_guard("allow"):
            kept = jax.tree.map(jnp.copy, state)
            _, sums, _ = ADVANCE(self, state, step, 1)
            return kept.replace(step=kept.step + 1), jax.jit(Sums.zeros_like, keep_unused=True)(sums), 1
    return ADVANCE(self, state, step, 1)


def test_a_batch_without_a_finite_loss_is_skipped_and_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(ResidentFeed, "advance", poisoned)
    skipped = loop.train(CONFIG, tmp_path / "skipped")
    monkeypatch.setattr(ResidentFeed, "advance", left_out)
    expected = loop.train(CONFIG, tmp_path / "expected")
    for leaf, other in zip(jax.tree.leaves(skipped), jax.tree.leaves(expected), strict=True):
        np.testing.assert_array_equal(leaf, other)
    folder = tmp_path / "skipped"
    assert json.loads((folder / "skipped_steps.json").read_text()) == [BAD]
    rows = [row for row in read_metrics(folder / "metrics.jsonl") if "train/loss" in row]
    assert [row.get("skipped_batches", 0) for row in rows] == [0, 1]


def test_parameters_that_are_lost_stop_the_run(tmp_path):
    skipped = SkippedSteps(tmp_path / "skipped_steps.json")
    for step in range(MAX_SKIPPED_IN_A_ROW):
        skipped.add(NonFiniteError("bad", step))
    with pytest.raises(NonFiniteError, match="bad"):
        skipped.add(NonFiniteError("bad", MAX_SKIPPED_IN_A_ROW))
    skipped.add(NonFiniteError("elsewhere", 50))
    again = SkippedSteps(tmp_path / "skipped_steps.json")
    assert 50 in again
    assert again.figures(51) == {"skipped_batches": MAX_SKIPPED_IN_A_ROW + 1}
    assert again.next_after(5, otherwise=60) == 6
    assert again.next_after(9, otherwise=60) == 50


def test_a_damaged_list_of_skipped_steps_is_refused(tmp_path):
    (tmp_path / "skipped_steps.json").write_text('[1, "2"]')
    with pytest.raises(ValueError, match="no list of steps"):
        SkippedSteps(tmp_path / "skipped_steps.json")
