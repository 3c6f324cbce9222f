import resource

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from conceal_jax.runs.checkpoint import CheckpointError, Checkpoints, restore_run
from conceal_jax.runtime.parallel import create_mesh, replicate, replicated_like

MESH = create_mesh(jax.devices()[:2])


def state_at(step):
    # Random numbers do not compress: the file is large enough to run into a limit.
    return replicate(
        {"step": jnp.int32(step), "params": {"kernel": jax.random.normal(jax.random.key(step), (64, 64))}}, MESH
    )


TARGET = replicated_like(state_at(0), MESH)


def assert_trees_equal(tree, other):
    for leaf, other_leaf in zip(jax.tree.leaves(tree), jax.tree.leaves(other), strict=True):
        np.testing.assert_array_equal(leaf, other_leaf)


@pytest.fixture
def directory(tmp_path):
    """Checkpoints of steps 2 and 4."""
    with Checkpoints(tmp_path / "checkpoints", keep=2) as checkpoints:
        for step in (2, 4):
            checkpoints.save(step, state_at(step))
    return tmp_path / "checkpoints"


def largest_file(folder):
    return max((path for path in folder.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)


def flip_a_bit(folder):
    path = largest_file(folder)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut_off(folder):
    path = largest_file(folder)
    path.write_bytes(path.read_bytes()[:-7])


def remove_a_file(folder):
    largest_file(folder).unlink()


def remove_checksums(folder):
    (folder / "checksums.json").unlink()


@pytest.mark.parametrize("harm", [flip_a_bit, cut_off, remove_a_file, remove_checksums])
def test_a_damaged_checkpoint_is_passed_over_and_set_aside(directory, caplog, harm):
    harm(directory / "4")
    assert_trees_equal(restore_run(directory, TARGET), state_at(2))
    assert (directory / "4").exists(), "reading a run changes nothing in it"
    with Checkpoints(directory, keep=2) as checkpoints:
        assert_trees_equal(checkpoints.restore_latest(TARGET), state_at(2))
        checkpoints.save(4, state_at(4))
    assert (directory / "damaged-4").exists()
    assert "the checkpoint of step 4" in caplog.text
    assert "passed over" in caplog.text
    assert_trees_equal(restore_run(directory, TARGET), state_at(4))


def test_where_all_are_damaged_nothing_is_guessed(directory):
    flip_a_bit(directory / "2")
    cut_off(directory / "4")
    with pytest.raises(
        CheckpointError, match=r"no checkpoint in .*\(step 4: .* bytes in place of .*; step 2: .*checksum"
    ):
        restore_run(directory, TARGET)


def test_another_model_is_named_by_its_parameters(directory):
    other = {"step": TARGET["step"], "params": {"kernel": TARGET["params"]["kernel"].update(shape=(64, 8))}}
    with pytest.raises(CheckpointError, match=r"\(params/kernel: got float32\[64, 64\], expected float32\[64, 8\]\)"):
        restore_run(directory, other)
    fewer = {"step": TARGET["step"], "params": {}}
    with pytest.raises(CheckpointError, match=r"params/kernel: got float32\[64, 64\], expected none"):
        restore_run(directory, fewer)


@pytest.mark.parametrize("devices", [1, 3, 8])
def test_it_is_restored_on_any_number_of_devices(directory, devices):
    mesh = create_mesh(jax.devices()[:devices])
    restored = restore_run(directory, replicated_like(state_at(0), mesh))
    assert restored["params"]["kernel"].sharding.num_devices == devices
    assert_trees_equal(restored, state_at(4))


@pytest.fixture
def full_disk():
    """Files can grow to 4 kB; larger ones raise an OSError, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    yield lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


# TensorStore's and Orbax's own threads complain too, when and where they please.
complaints = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning", "ignore::pytest.PytestUnhandledThreadExceptionWarning"
)


@complaints
def test_a_full_disk_costs_a_checkpoint_and_not_the_run(directory, full_disk, caplog):
    with Checkpoints(directory, keep=2) as checkpoints:
        checkpoints.save(6, state_at(6))
        # Waits for the one before, finds that it failed, and fails as well.
        checkpoints.save(8, state_at(8))
        assert "the checkpoint of step 6 could not be saved" in caplog.text
        assert not list(directory.glob("6*"))
        checkpoints._settle()
        full_disk()
        checkpoints.save(10, state_at(10))
    assert_trees_equal(restore_run(directory, TARGET), state_at(10))


@complaints
def test_a_last_state_that_is_not_saved_is_an_error(directory, full_disk):
    checkpoints = Checkpoints(directory, keep=2)
    with (
        pytest.raises(CheckpointError, match=r"the checkpoint of step 6 could not be saved.*free some space"),
        checkpoints,
    ):
        checkpoints.save(6, state_at(6))
    full_disk()
    assert_trees_equal(restore_run(directory, TARGET), state_at(4))


def test_what_a_killed_process_left_unfinished_is_removed(directory):
    (directory / "6.orbax-checkpoint-tmp" / "default").mkdir(parents=True)
    restore_run(directory, TARGET)
    assert (directory / "6.orbax-checkpoint-tmp").exists(), "the run may be writing it"
    with Checkpoints(directory, keep=2):
        assert not (directory / "6.orbax-checkpoint-tmp").exists()
