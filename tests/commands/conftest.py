"""The command line, run in this process, on a tiny run and small albums."""

from pathlib import Path

import pytest

from conceal_jax import Concealer
from conceal_jax.commands import collection, decode
from conceal_jax.commands.main import main
from tests.release.photographs import write_album


@pytest.fixture(autouse=True)
def _the_allocator_stays_as_it_is(monkeypatch):
    for module in (collection, decode):
        monkeypatch.setattr(module, "keep_freed_memory", lambda: None)


@pytest.fixture(autouse=True)
def _the_run_is_read_and_compiled_once(loaded, monkeypatch):
    monkeypatch.setattr(Concealer, "load", lambda path: loaded)


@pytest.fixture(scope="session")
def loaded(tiny_run):
    return Concealer.load(tiny_run)


@pytest.fixture
def album(tmp_path):
    return write_album(tmp_path / "album")


@pytest.fixture
def key_file(tmp_path):
    path = tmp_path / "secret.key"
    path.write_text("a secret of sixteen bytes\n")
    return path


@pytest.fixture
def conceal(tiny_run):
    """Runs a command of `conceal` with the tiny run's model; returns its exit status."""

    def run(command: str, *arguments: object) -> int:
        return main([command, *map(str, arguments), f"--model={tiny_run}"])

    return run


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder, by path."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
