import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from conceal_jax.audit.statistics import Estimate
from conceal_jax.research.figures import Result, Row, over_seeds, pareto_front, row, tidy_csv


@given(npst.arrays(float, st.tuples(st.integers(1, 12), st.just(2)), elements=st.integers(0, 4).map(float)))
def test_the_front_is_whoever_nobody_beats(costs):
    front = pareto_front(costs)
    assert front.any()
    for point, on_front in zip(costs, front, strict=True):
        beaten = any((other <= point).all() and (other < point).any() for other in costs)
        assert on_front == (not beaten)


def test_seeds_are_joined_by_their_mean_with_students_interval():
    joined = over_seeds([row("psnr_db", value) for value in (20.0, 21.0, 22.0)])
    assert joined.value == 21.0
    # t of 2 degrees of freedom at 97.5 %, times 1 / sqrt(3).
    assert joined.ci95[1] - 21.0 == pytest.approx(4.3027 / np.sqrt(3), rel=1e-3)


def test_one_seed_keeps_its_own_interval():
    assert over_seeds([row("excess", Estimate(0.1, (0.0, 0.3)))]) == Estimate(0.1, (0.0, 0.3))


def test_a_table_has_a_line_for_every_figure_and_every_failure():
    good = Result(0, 1, {"objective.beta": 2.0}, "", (Row("excess", 0.1, 0.0, 0.3, "gender", "quick"),))
    bad = Result(1, 1, {"model.latent_dim": 4}, "not finite", ())
    lines = tidy_csv([good, bad]).splitlines()
    assert lines[0] == (
        "member,setting,seed,objective.beta,model.latent_dim,quantity,value,low,high,attribute,suite,failure"
    )
    assert lines[1] == "000-seed1,0,1,2.0,,excess,0.1,0.0,0.3,gender,quick,"
    assert lines[2] == "001-seed1,1,1,,4,,,,,,,not finite"
