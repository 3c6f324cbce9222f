"""`conceal audit`: which arrays are audited, and what is asked of the audit; the audit itself is tested elsewhere."""

import numpy as np
import pytest

from conceal_jax.commands import audit
from conceal_jax.commands.exit_codes import ExitCode
from conceal_jax.commands.main import main


@pytest.fixture
def asked(monkeypatch):
    """What the audit was called with."""
    calls = []
    monkeypatch.setattr(audit, "keep_freed_memory", lambda: None)
    monkeypatch.setattr(audit, "keep_compiled_programs", lambda: None)
    for name in ("audit_arrays", "audit_file"):
        monkeypatch.setattr(audit, name, lambda *given, name=name, **more: calls.append((name, given, more)) or "done")
    return calls


def test_a_folder_is_audited_with_a_table_of_labels(conceal, album, tmp_path, asked, capsys):
    assert conceal("codes", album, tmp_path / "codes") == ExitCode.DONE
    photos = sorted(path.name for path in album.rglob("*.jpg"))
    table = tmp_path / "labels.csv"
    table.write_text("file,gender,smile\n" + "".join(f"{name},{name[3]},{name[0]}\n" for name in photos))
    arguments = [str(tmp_path / "codes"), str(tmp_path / "out"), f"--labels={table}", "--kept=smile", "--folds=5"]
    assert main(["audit", *arguments]) == ExitCode.DONE
    [(name, (arrays, origin, out, kept), settings)] = asked
    assert (name, origin, out, kept) == ("audit_arrays", str(table), tmp_path / "out", ["smile"])
    assert settings == {"folds": 5, "seed": 0}
    assert len(arrays["codes"]) == 10
    np.testing.assert_array_equal(np.sort(arrays["gender"]), [0.0] * 5 + [1.0] * 5)
    assert capsys.readouterr().out.endswith("done\n")


def test_an_npz_is_audited_as_it_is(tmp_path, asked, capsys):
    (tmp_path / "codes.npz").touch()
    assert main(["audit", str(tmp_path / "codes.npz"), str(tmp_path / "out"), "--seed=3"]) == ExitCode.DONE
    assert asked == [("audit_file", (tmp_path / "codes.npz", tmp_path / "out", []), {"folds": 0, "seed": 3})]
    assert main(["audit", str(tmp_path), str(tmp_path / "out")]) == ExitCode.FAILED
    assert "give --labels=TABLE with a folder" in capsys.readouterr().err
