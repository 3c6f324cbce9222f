from pathlib import Path

import jax.numpy as jnp
import pytest

from conceal_jax.runtime import profiler
from conceal_jax.runtime.profiler import Profiler, parse_window


@pytest.mark.parametrize("text", ["", "5", "5:", ":5", "5:5", "7:5", "-1:5", "a:b", "1:2:3"])
def test_windows_without_a_step_are_refused(text):
    with pytest.raises(ValueError, match="give START:STOP"):
        parse_window(text)


def traced_steps(monkeypatch, window, steps):
    """The steps at which a trace is running."""
    running, traced = [False], []
    monkeypatch.setattr(profiler.jax.profiler, "start_trace", lambda folder: running.__setitem__(0, True))
    monkeypatch.setattr(profiler.jax.profiler, "stop_trace", lambda: running.__setitem__(0, False))
    with Profiler(window, Path("folder")) as tracing:
        for step in steps:
            tracing.observe(step, ())
            traced += [step] if running[0] else []
    assert not running[0]
    return traced


@pytest.mark.parametrize(
    ("window", "start", "expected"),
    [(range(2, 4), 0, [2, 3]), (range(2, 4), 3, [3]), (range(0), 0, []), (range(4, 99), 0, [4, 5]), (range(3), 4, [])],
)
def test_the_steps_of_the_window_are_traced(monkeypatch, window, start, expected):
    assert traced_steps(monkeypatch, window, range(start, 6)) == expected


def test_a_call_of_several_steps_ends_where_the_window_begins_and_ends():
    tracing = Profiler(parse_window("3:7"), Path("folder"))
    assert [tracing.next_edge(step) for step in (0, 2, 3, 6)] == [3, 3, 7, 7]
    assert tracing.next_edge(7) > 10**9


def test_a_trace_is_written(tmp_path):
    with Profiler(range(1, 2), tmp_path) as tracing:
        for step in range(3):
            tracing.observe(step, jnp.zeros(()))
    assert list(tmp_path.rglob("*.xplane.pb"))
