"""An adversary that its encoder fools says nothing of what others read."""

import pytest

from benchmarks.censored_codes import read, train
from conceal_jax.audit.attackers.suite import quick_suite


def test_fresh_attackers_read_a_code_whose_own_adversary_is_fooled():
    open_code, censored = train(weight=0, seed=1), train(weight=0.15, seed=1)
    assert censored.adversary_accuracy == pytest.approx(0.5, abs=0.02)
    # No weak adversary: where the encoder does not fight it, it reads nearly everything.
    assert open_code.adversary_accuracy > 0.95
    # Nor a broken code.
    assert max(open_code.unexplained, censored.unexplained) < 0.05
    skills = [read(each, quick_suite(0)).best.decisive.value - 0.5 for each in (open_code, censored)]
    assert skills[1] >= 0.8 * skills[0]
