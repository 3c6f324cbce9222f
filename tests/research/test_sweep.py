"""Sweeps: what is tried, in which groups, what is kept, and that nobody's failure is another's."""

import csv
import dataclasses
import json
import re
import shutil

import numpy as np
import pytest

from conceal_jax.commands.main import main
from conceal_jax.research import run as run_module
from conceal_jax.research.run import known_floors, run_sweep
from conceal_jax.research.sweep import Directory, LogUniform, Sweep, grid, groups, load_sweep, random_search
from conceal_jax.research.training import train_members
from conceal_jax.runs import run_directory
from tests.research.conftest import CONFIG, overridden

BROKEN = 1e38
"""A beta that no loss survives."""


def test_a_grid_is_every_combination():
    assert grid({"objective.beta": (1.0, 2.0), "model.latent_dim": (4, 8, 16)})[4] == {
        "objective.beta": 2.0,
        "model.latent_dim": 8,
    }


def test_a_random_search_draws_from_every_axis_and_again_the_same():
    axes = {"objective.beta": LogUniform(0.1, 1000.0), "model.latent_dim": (4, 8)}
    settings = random_search(axes, 400, seed=1)
    betas = np.array([each["objective.beta"] for each in settings])
    assert betas.min() >= 0.1
    assert betas.max() <= 1000.0
    assert np.mean(betas < 10) == pytest.approx(0.5, abs=0.1)
    assert {each["model.latent_dim"] for each in settings} == {4, 8}
    assert settings == random_search(axes, 400, seed=1)


def test_members_of_one_shape_are_one_group():
    sweep = Sweep(CONFIG, grid({"model.latent_dim": (4, 8), "objective.beta": (1.0, 2.0, 3.0)}), seeds=(0, 1))
    assert [len(names) for names in groups(sweep.members())] == [6, 6]


@pytest.mark.parametrize(
    ("base", "settings", "message"),
    [
        (CONFIG, ({"objective.betta": 1.0},), "did you mean 'beta'"),
        (CONFIG, ({"objective.beta": -1.0},), "objective.beta=-1.0"),
        (CONFIG, ({"model.bottleneck": "none"},), "registered are"),
        (CONFIG, (), "without settings"),
        (overridden(censor__steps=5), ({},), "censor.steps=0"),
    ],
)
def test_a_wrong_sweep_is_refused_before_it_starts(base, settings, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        Sweep(base, settings).members()


def test_members_side_by_side_learn_what_each_learns_alone(items, attributes):
    """Losses of eight members over eight devices, one of which breaks, against runs of one."""
    configs = [overridden(objective__beta=float(2**i) if i != 3 else BROKEN, seed=i % 3) for i in range(8)]
    together = train_members(configs, items, attributes)
    assert set(together.failures) == {3}
    assert re.fullmatch(r"not finite at step 0: .*\bloss\b.*", together.failures[3])
    for index in (0, 7):
        alone = train_members([configs[index]], items, attributes)
        np.testing.assert_allclose(together.losses[index], alone.losses[0], rtol=1e-4)


SWEEP = Sweep(CONFIG, ({"objective.beta": 1.0}, {"objective.beta": 50.0}, {"objective.beta": BROKEN}), seeds=(0, 1))


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    out = tmp_path_factory.mktemp("sweeps") / "tiny"
    finite = {"model.bottleneck": "finite", "model.levels": (2, 2)}
    sweep = dataclasses.replace(SWEEP, settings=(*SWEEP.settings, finite))
    return out, sweep, run_sweep(sweep, out)


def test_every_member_has_its_figures_or_its_failure(swept):
    out, _, results = swept
    failed = {result.name for result in results if result.failure}
    assert failed == {"002-seed0", "002-seed1"}
    with (out / "curves.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert {line["member"] for line in lines if line["failure"]} == failed
    for name in ("000-seed0", "001-seed1", "003-seed0"):
        quantities = {line["quantity"] for line in lines if line["member"] == name}
        assert quantities >= {"rate_nats", "psnr_db", "ssim", "active_units", "balanced_accuracy", "excess"}
        assert quantities >= {"nats_above_floor", "kept_balanced_accuracy", "kept_r2", "measured_bits"}
    assert any(line["suite"] == "full" and line["member"].endswith("seed0") for line in lines)
    assert not any(line["suite"] == "full" and line["member"].endswith("seed1") for line in lines)


def test_a_finite_member_comes_with_a_certificate_that_no_attacker_exceeds(swept):
    *_, results = swept
    for result in results[-2:]:
        (certified,) = result.values("certified_bits", "gender")
        (measured,) = result.values("measured_bits", "gender", "quick")
        assert measured.value <= certified.value <= 1.0
        (rate,) = result.values("rate_nats")
        assert rate.value <= np.log(4) + 1e-4


def test_the_curves_are_drawn(swept):
    out, *_ = swept
    page = (out / "curves.html").read_text()
    assert page.count("data:image/png") == 4
    assert "002-seed0" in page
    assert (out / "leakage.png").read_bytes().startswith(b"\x89PNG")


def test_a_finished_sweep_is_not_made_again(swept, monkeypatch):
    out, sweep, results = swept
    for name in ("train_members", "audit_codes"):
        monkeypatch.setattr(run_module, name, lambda *arguments: pytest.fail("made again"))
    assert run_sweep(sweep, out) == results


def test_a_directory_has_one_sweep(swept):
    out, sweep, _ = swept
    with pytest.raises(ValueError, match="holds another sweep"):
        run_sweep(dataclasses.replace(sweep, seeds=(5,)), out)


def test_a_directory_in_use_is_refused(swept):
    out, sweep, _ = swept
    with run_directory.held(out), pytest.raises(ValueError, match="in use"):
        run_sweep(sweep, out)


def test_a_member_whose_codes_are_damaged_fails_alone(swept, tmp_path):
    out, sweep, results = swept
    shutil.copytree(out, tmp_path / "copy")
    members = tmp_path / "copy" / "members"
    (members / "000-seed1.npz").write_bytes(b"PK")
    record = json.loads((members / "000-seed1.json").read_text())
    record["rows"] = [row for row in record["rows"] if not row["suite"]]
    (members / "000-seed1.json").write_text(json.dumps(record))
    found = run_sweep(sweep, tmp_path / "copy")
    assert "000-seed1.npz cannot be read" in found[1].failure
    assert found[0] == results[0]


def test_a_sweep_that_is_killed_while_it_keeps_members_goes_on_with_the_others(tmp_path, monkeypatch):
    trained = []

    def counted(configs, items, attributes):
        trained.append([config.seed for config in configs])
        return train_members(configs, items, attributes)

    def killed(directory, name, *arguments):
        save(directory, name, *arguments)
        if name.endswith("seed1"):
            directory._arrays(name).unlink()
            raise KeyboardInterrupt

    save = Directory.save_trained
    monkeypatch.setattr(run_module, "train_members", counted)
    sweep = Sweep(CONFIG, ({"objective.beta": 1.0},), seeds=(0, 1), full_seeds=0)
    with monkeypatch.context() as patch:
        patch.setattr(Directory, "save_trained", killed)
        with pytest.raises(KeyboardInterrupt):
            run_sweep(sweep, tmp_path)
    results = run_sweep(sweep, tmp_path)
    assert trained == [[0, 1], [1]]
    for result in results:
        named = [(row.quantity, row.attribute, row.suite) for row in result.rows]
        assert len(named) == len(set(named)) > 20


def test_what_a_member_learned_can_be_read_back(swept):
    out, *_ = swept
    params = Directory(out).params("001-seed0")
    assert params["bottleneck"]["statistics"]["kernel"].shape[1] == 8


def test_a_group_that_fails_is_recorded_and_the_next_one_goes_on(tmp_path, monkeypatch):
    def refuse(configs, items, attributes):
        if configs[0].model.latent_dim == 4:
            raise RuntimeError("out of memory")
        return train_members(configs, items, attributes)

    monkeypatch.setattr(run_module, "train_members", refuse)
    sweep = Sweep(CONFIG, grid({"model.latent_dim": (4, 8)}), seeds=(0,))
    first, second = run_sweep(sweep, tmp_path / "sweep")
    assert first.failure == "RuntimeError: out of memory"
    assert second.values("psnr_db")


def test_the_known_floor_is_that_of_the_planted_correlation():
    assert known_floors(CONFIG) == {"gender": pytest.approx(0.8)}


@pytest.mark.parametrize("file", ["configs/sweep_demo.py", "configs/sweep_utkface.py"])
def test_shipped_sweeps_are_valid(file):
    members = load_sweep(file, {"data.path": "faces.zip"}).members()
    assert len(members) in (24, 108)
    assert next(iter(members.values())).data.path == "faces.zip"


def test_the_command_line(tmp_path, capsys):
    assert main(["sweep", "configs/none.py", "--out", str(tmp_path)]) == 1
    assert "no configuration 'configs/none.py'" in capsys.readouterr().err
    assert main(["sweep", "sweep_demo", "--out", str(tmp_path), "--config.seeed=3"]) == 1
    assert "did you mean 'seed'" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["sweep", "sweep_demo", "--out", str(tmp_path), "--set", "seed=3"])
    assert "unknown argument --set" in capsys.readouterr().err
