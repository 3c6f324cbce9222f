import json
import time

import pytest

from benchmarks.timing import Spread, child_figures, rate, ratio, take_turns, write_json


def test_a_rate_is_that_of_the_work_without_its_first_times():
    calls = []

    def work(times):
        time.sleep(0.2 if not calls else 0.004 * times)
        calls.append(times)

    assert 100 < rate(work, seconds=0.1) < 251
    assert calls[:2] == [2, 1]


def test_variants_take_turns_and_every_other_round_is_reversed():
    order = []
    variants = {name: lambda name=name: order.append(name) or {"speed": len(order)} for name in ("a", "b", "c")}
    assert take_turns(variants, rounds=3)["b"] == {"speed": [2, 5, 8]}
    assert order == ["a", "b", "c", "c", "b", "a", "a", "b", "c"]


def test_a_ratio_is_that_of_the_medians_with_the_spread_of_its_rounds():
    assert ratio([2.0, 4.0, 30.0], [1.0, 2.0, 3.0]) == Spread(2.0, 2.0, 10.0, 3)


def test_a_childs_figures_are_its_last_line_and_its_failure_is_told():
    figures = child_figures("benchmarks.worker", "--work=gemm", "--gemm-size=64", "--seconds=0.01")
    assert figures["gemm"] > 0
    with pytest.raises(RuntimeError, match=r"benchmarks\.worker --work=nothing failed with exit status 1"):
        child_figures("benchmarks.worker", "--work=nothing")


def test_spreads_are_written_as_json(tmp_path):
    write_json(str(tmp_path / "report.json"), {"a": Spread.of([3.0, 1.0, 2.0])})
    assert json.loads((tmp_path / "report.json").read_text()) == {
        "a": {"median": 2.0, "low": 1.0, "high": 3.0, "rounds": 3}
    }
