import os
import resource
from pathlib import Path

import pytest

from conceal_jax.runtime import atomic


def test_a_file_that_cannot_be_written_whole_is_left_as_it_was(tmp_path):
    path = tmp_path / "config.json"
    atomic.write_text(path, "old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(OSError, match="too large"):
            atomic.write_text(path, "new" * 1000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_text() == "old"
    atomic.write_text(path, "newer")
    assert path.read_text() == "newer"


def test_a_device_is_not_replaced_by_a_file():
    atomic.write_text(Path(os.devnull), "nothing")
    assert not Path(os.devnull).is_file()
