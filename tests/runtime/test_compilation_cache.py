import os
import subprocess
import sys

import pytest

from conceal_jax.runtime import compilation_cache

SCRIPT = """
import jax
from conceal_jax.runtime.compilation_cache import keep_compiled_programs
found = []
jax.monitoring.register_event_listener(lambda event, **_: found.append(event.endswith("compilation_cache/cache_hits")))
keep_compiled_programs()
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
jax.jit(lambda x: x * 2 + 1)(1.0)
print(jax.config.jax_compilation_cache_dir, sum(found))
"""
JAX_SETTINGS = ("JAX_COMPILATION_CACHE_DIR", "JAX_ENABLE_COMPILATION_CACHE")


def start(home, **settings):
    """The folder that a fresh process uses, how many programs it found there, and what it said."""
    inherited = {name: value for name, value in os.environ.items() if name not in JAX_SETTINGS}
    environment = {**inherited, "XDG_CACHE_HOME": str(home), **settings}
    run = subprocess.run([sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=True)
    folder, hits = run.stdout.split()
    return folder, int(hits), run.stderr


def test_a_second_process_finds_what_the_first_compiled(tmp_path):
    folder, hits, said = start(tmp_path)
    assert folder.startswith(str(tmp_path))
    assert os.stat(folder).st_mode & 0o777 == 0o700
    assert (hits, said) == (0, "")
    again, hits, said = start(tmp_path)
    assert again == folder
    assert hits > 0
    assert said == ""


@pytest.mark.parametrize("depth", [0, 1])
@pytest.mark.skipif(not hasattr(os, "getuid"), reason="POSIX owners and modes")
def test_a_folder_that_others_can_write_to_is_not_used(tmp_path, depth):
    folder = tmp_path / "conceal_jax" / "programs"
    folder.mkdir(parents=True, mode=0o700)
    [folder, folder.parent][depth].chmod(0o770)
    used, _, said = start(tmp_path)
    assert used == "None"
    assert "compiled programs are not kept" in said
    assert "can be written by others" in said


def test_a_folder_of_somebody_else_is_not_used(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    compilation_cache._private_folder()
    monkeypatch.setattr(os, "getuid", lambda: os.stat(tmp_path).st_uid + 1, raising=False)
    with pytest.raises(PermissionError, match="belongs to another user"):
        compilation_cache._private_folder()


def test_where_nothing_can_be_made_nothing_is_kept(tmp_path):
    (tmp_path / "conceal_jax").write_text("a file where the folder should be")
    used, _, said = start(tmp_path)
    assert used == "None"
    assert "compiled programs are not kept" in said


def test_jax_settings_go_before(tmp_path):
    assert start(tmp_path, JAX_COMPILATION_CACHE_DIR=str(tmp_path / "other"))[0] == str(tmp_path / "other")
    assert start(tmp_path, JAX_ENABLE_COMPILATION_CACHE="false")[:2] == ("None", 0)
    assert not (tmp_path / "conceal_jax").exists()
