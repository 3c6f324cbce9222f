from benchmarks.kill_resume import kill_and_resume


def test_killed_runs_end_with_the_same_bits(tmp_path):
    """Five kills at random moments; docs/reliability.md tells of more."""
    kills = list(kill_and_resume(tmp_path, count=5, seed=1))
    assert len(kills) == 5
    assert all(kill.equal for kill in kills), kills
