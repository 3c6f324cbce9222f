import argparse
import json
import subprocess
import sys

import jax
import numpy as np
import pytest
from PIL import Image

from conceal_jax.audit.report.schema import write_report
from conceal_jax.audit.vocabulary import percent
from conceal_jax.commands import arguments, doctor, train
from conceal_jax.commands.exit_codes import ExitCode
from conceal_jax.commands.main import COMMANDS, main
from conceal_jax.config import Config, shrunken
from conceal_jax.release.jobs.shards import read_codes
from conceal_jax.runtime.parallel import create_mesh
from conceal_jax.version import __version__
from tests.audit.cards import make_audit, make_report
from tests.commands.conftest import contents


def test_codes_are_decoded_as_asked(conceal, album, tmp_path, loaded):
    assert conceal("codes", album, tmp_path / "codes", "--shard-size=4") == ExitCode.DONE
    assert conceal("decode", tmp_path / "codes", tmp_path / "out", "--as=age=70") == ExitCode.DONE
    assert len(contents(tmp_path / "out")) == 10
    for names, codes in read_codes(tmp_path / "codes"):
        for name, picture in zip(names, loaded.decode(codes, "age=70"), strict=True):
            np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "out" / f"{name}.png")), picture)


def test_codes_of_another_model_are_refused(conceal, album, tmp_path, capsys):
    assert conceal("codes", album, tmp_path / "codes") == ExitCode.DONE
    path = tmp_path / "codes" / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "model": "0" * 64}))
    assert conceal("decode", tmp_path / "codes", tmp_path / "out") == ExitCode.FAILED
    assert "another model" in capsys.readouterr().err
    assert conceal("decode", album, tmp_path / "out") == ExitCode.FAILED


def test_runs_are_listed_with_their_figures(tiny_run, tmp_path, capsys):
    workdir = tmp_path / "runs" / "one"
    workdir.mkdir(parents=True)
    (workdir / "config.json").write_bytes((tiny_run / "config.json").read_bytes())
    assert main(["runs", str(tmp_path)]) == ExitCode.DONE
    assert "no step has been logged" in capsys.readouterr().out
    lines = [{"step": 2, "validation/psnr_db": 20.123}, {"step": 3, "train/loss": 1.0}]
    (workdir / "metrics.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    report = make_report(make_audit())
    (workdir / "report").mkdir()
    write_report(report, workdir / "report" / "report.json")
    assert main(["runs", str(tmp_path)]) == ExitCode.DONE
    out = capsys.readouterr().out
    assert "conceals gender, ethnicity, age, " in out
    assert "training.steps=4, " in out
    assert "stage autoencoder, step 3 of 4: psnr_db 20.12" in out
    gender = f"gender {percent(report.concealed['gender'].released.best.value)} (floor {percent(0.5)})"
    assert gender in out
    assert main(["runs", str(tmp_path / "runs" / "one" / "report")]) == ExitCode.FAILED
    (tmp_path / "runs" / "two").mkdir()
    (tmp_path / "runs" / "two" / "config.json").write_text("{}")
    assert main(["runs", str(tmp_path)]) == ExitCode.DONE
    out = capsys.readouterr().out
    assert gender in out
    assert "two/config.json was written by version None" in out
    (tmp_path / "runs" / "two" / "config.json").unlink()
    (workdir / "manifest.json").touch()  # as in an exported folder
    assert main(["runs", str(tmp_path)]) == ExitCode.FAILED


def test_the_doctor_names_versions_and_times_a_step(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "keep_freed_memory", lambda: None)
    monkeypatch.setattr(doctor, "create_mesh", lambda: create_mesh(jax.devices()[:1]))
    monkeypatch.setattr(doctor, "Config", lambda attributes: shrunken(Config(attributes)))
    assert main(["doctor", "--batch-size=8"]) == ExitCode.DONE
    out = capsys.readouterr().out
    assert f"conceal_jax {__version__}" in out
    assert "8 cpu device(s)" in out
    assert "a training step on 8 pictures of 32x32" in out


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_examples(command, capsys):
    with pytest.raises(SystemExit) as exit_info:
        main([command, "--help"])
    assert exit_info.value.code == 0
    assert f"examples:\n  conceal {command}" in capsys.readouterr().out


def test_the_first_help_is_quick_and_names_every_command():
    code = "import sys; from conceal_jax.commands.main import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
    code += "print('jax' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert all(f"  {command} " in run.stdout for command in COMMANDS)
    assert run.stdout.splitlines()[-1] == "False"


def test_an_unknown_command_is_refused(capsys):
    with pytest.raises(SystemExit) as exit_info:
        main(["conceal"])
    assert exit_info.value.code == 2
    assert "photos" in capsys.readouterr().err


def test_the_home_directory_is_expanded_in_options_and_overrides(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    parser = argparse.ArgumentParser()
    train.add_arguments(parser)
    options = arguments.parse_arguments(parser, ["--workdir=~/runs/x", "--config.data.path=~/faces"])
    assert options.workdir == tmp_path / "runs" / "x"
    assert options.overrides == {"data.path": str(tmp_path / "faces")}


def test_overrides_are_refused_where_there_is_no_configuration(capsys):
    with pytest.raises(SystemExit) as exit_info:
        main(["runs", "folder", "--config.seed=3"])
    assert exit_info.value.code == 2
    assert "unknown argument --config.seed=3" in capsys.readouterr().err
