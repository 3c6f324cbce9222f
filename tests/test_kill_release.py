import pytest

from benchmarks.kill_release import COMMANDS, Bench, kill_jobs


@pytest.mark.parametrize("command", COMMANDS)
def test_killed_jobs_end_with_the_same_bytes(command, tiny_run, tmp_path):
    """A few kills at random moments; docs/reliability.md tells of more."""
    jobs = list(kill_jobs(Bench(tmp_path, tiny_run), command, count=2, seed=1))
    assert sum(len(job.kills) for job in jobs) == 2
    assert all(job.equal for job in jobs), jobs
