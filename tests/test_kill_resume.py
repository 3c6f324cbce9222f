from benchmarks.kill_resume import kill_and_resume


def test_a_run_that_is_killed_five_times_ends_with_the_same_bits(tmp_path):
    """In all stages, and while it saves; docs/reliability.md tells of more."""
    (run,) = kill_and_resume(tmp_path, runs=1, seed=1, kills=5)
    assert run.equal, run
    assert len(run.kills) == 5
    assert {kill.stage for kill in run.kills} >= {"autoencoder", "censor", "refit"}
    assert any(kill.saving for kill in run.kills)
