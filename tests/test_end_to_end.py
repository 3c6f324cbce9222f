"""The entry points, on the shipped configurations, shrunk."""

import io
import json
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from PIL import Image

from conceal_jax.audit.report.schema import read_report
from conceal_jax.commands import evaluate, train
from conceal_jax.commands.main import main
from conceal_jax.data.synthetic.factors import CONCEALED, draw_factors, render_faces
from conceal_jax.training.metrics import read_metrics

COUNT = 40
FACTORS = draw_factors(COUNT, seed=0)
FACES = render_faces(FACTORS, seed=0, size=32)


@pytest.fixture(autouse=True)
def _this_process_stays_as_it_is(monkeypatch):
    """Devices and allocator are set once a process, and the tests have set theirs."""
    for entry_point in (train, evaluate):
        monkeypatch.setattr(entry_point, "keep_freed_memory", lambda: None)


def jpeg(index):
    buffer = io.BytesIO()
    Image.fromarray(FACES[index]).save(buffer, "JPEG")
    return buffer.getvalue()


def write_all(folder, names):
    for index, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(jpeg(index))


def label(name, index):
    return CONCEALED[name][FACTORS[name][index]]


def utkface(folder):
    with zipfile.ZipFile(folder / "utkface.zip", "w") as archive:
        for index in range(COUNT):
            age, gender, race = (int(FACTORS[name][index]) for name in ("age", "gender", "ethnicity"))
            archive.writestr(f"faces/{age}_{gender}_{race}_2017{index:04d}.jpg.chip.jpg", jpeg(index))
    return [f"--config.data.path={folder / 'utkface.zip'}"]


def fairface(folder):
    parts = {"train": range(30), "val": range(30, COUNT)}
    write_all(folder, [f"{part}/{index}.jpg" for part, indices in parts.items() for index in indices])
    for part, indices in parts.items():
        rows = [
            f"{part}/{index}.jpg,3-9,{('Male', 'Female')[index % 2]},{('White', 'Black')[index // 2 % 2]},True"
            for index in indices
        ]
        text = "\n".join(["file,age,gender,race,service_test", *rows])
        (folder / f"fairface_label_{part}.csv").write_text(text)
    return [f"--config.data.path={folder}"]


def celeb_a(folder):
    names = [f"{index + 1:06d}.jpg" for index in range(COUNT)]
    write_all(folder / "img_align_celeba", names)
    columns = (
        "Male",
        "Young",
        "Smiling",
        "Eyeglasses",
        "Mouth_Slightly_Open",
        "Black_Hair",
        "Blond_Hair",
        "Wearing_Hat",
    )
    scores = np.random.default_rng(0).choice((-1, 1), (COUNT, len(columns)))
    rows = [" ".join([name, *map(str, row)]) for name, row in zip(names, scores, strict=True)]
    (folder / "list_attr_celeba.txt").write_text("\n".join([str(COUNT), " ".join(columns), *rows]))
    partition = "\n".join(f"{name} {int(index >= 30)}" for index, name in enumerate(names))
    (folder / "list_eval_partition.txt").write_text(partition)
    return [f"--config.data.path={folder}"]


def own_folder(folder):
    names = [f"person_{index}.jpg" for index in range(COUNT)]
    write_all(folder / "photos", names)
    rows = [f"{name},{label('gender', index)},{FACTORS['age'][index]:.0f}" for index, name in enumerate(names)]
    (folder / "labels.csv").write_text("\n".join(["filename,gender,age", *rows]))
    return [f"--config.data.path={folder / 'photos'}", f"--config.data.labels={folder / 'labels.csv'}"]


@pytest.mark.parametrize(
    ("config", "make", "stages"),
    # The later stages are the same wherever pictures come from: once resident, once streamed.
    [
        ("utkface", utkface, 3),
        ("celeb_a", celeb_a, 3),
        ("celeb_a_tpu", celeb_a, 1),
        ("fairface", fairface, 1),
        ("paper", utkface, 1),
        ("folder", own_folder, 1),
    ],
)
def test_shipped_configs_train_a_step(tmp_path, config, make, stages):
    arguments = [
        f"--config=configs/{config}.py:shrunken",
        "--config.training.steps=1",
        "--config.training.warmup_steps=0",
        *(["--config.censor.steps=0"] if stages == 1 else []),
    ]
    assert main(["train", *arguments, *make(tmp_path), f"--workdir={tmp_path / 'run'}"]) == 0
    assert json.loads((tmp_path / "run" / "data_report.json").read_text())["used"] == COUNT
    losses = [row["train/loss"] for row in read_metrics(tmp_path / "run" / "metrics.jsonl") if "train/loss" in row]
    assert len(losses) == 1
    assert np.isfinite(losses).all()


def test_the_demo_trains_and_is_reported(tmp_path, capsys):
    halves = "--config.data.validation_fraction=0.5"
    assert main(["train", "--config=configs/demo.py:shrunken", halves, f"--workdir={tmp_path}"]) == 0
    assert main(["evaluate", f"--workdir={tmp_path}"]) == 0
    report = read_report(tmp_path / "report" / "report.json")
    assert report is not None
    assert report.context.distortion is not None
    declared = {"smile", "hair", "glasses", "brightness", "background", "pose"}
    assert report.kept.keys() == declared | {"luminance", "red_green", "blue_yellow"}
    assert report.requested.keys() == report.concealed.keys() == {"gender", "ethnicity", "age"}
    for item in report.concealed.values():
        assert set(item.readings) == {"originals", "codes", "pictures"}
        assert all(0 < reading.best.value < 1 for reading in item.readings.values())
    names = {path.name for path in (tmp_path / "report").iterdir()}
    assert {"report.json", "report.html", "concealed.png", "requested.png"} <= names
    assert "gender" in capsys.readouterr().out
    assert main(["evaluate", f"--workdir={tmp_path}", "--folds=2"]) == 0
    crossed = read_report(tmp_path / "report-folds" / "report.json")
    assert crossed is not None
    assert crossed.context.folds == 2
    assert crossed.context.people.train == crossed.context.people.test == report.context.people.test
    assert crossed.concealed.keys() == report.concealed.keys()
    assert set(crossed.concealed["gender"].readings) == {"codes"}


def test_a_finite_code_is_certified(tmp_path):
    # Enough of every age group among the validation people.
    people = ["--config.data.synthetic_count=2000", "--config.data.validation_fraction=0.5"]
    arguments = ["--config=configs/utkface_8bit.py:shrunken", "--config.data.source=synthetic", *people]
    assert main(["train", *arguments, f"--workdir={tmp_path}"]) == 0
    assert main(["evaluate", f"--workdir={tmp_path}"]) == 0
    certificates = json.loads((tmp_path / "report" / "report.json").read_text())["certificates"]
    assert not certificates["refused"]
    assert {item["attribute"] for item in certificates["issued"]} == {"gender", "ethnicity", "age"}
    assert all(item["chance"] < item["bound"] <= 1 and item["releases"] == 1 for item in certificates["issued"])


def test_anybodys_codes_are_audited(tmp_path, capsys):
    generator = np.random.default_rng(0)
    gender = generator.integers(0, 2, 400)
    codes = generator.normal(size=(400, 4)) + 2 * gender[:, None]
    np.savez(tmp_path / "codes.npz", codes=codes, gender=gender, smile=generator.integers(0, 2, 400))
    command = [f"--codes={tmp_path / 'codes.npz'}", f"--out={tmp_path / 'out'}", "--kept=smile"]
    assert main(["evaluate", *command]) == 0
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["concealed"]["gender"]["readings"]["codes"]["best"]["value"] > 0.9
    assert report["kept"].keys() == {"smile"}
    assert "gender" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["evaluate", command[0]])
    assert "--codes needs --out=DIR" in capsys.readouterr().err


BLOCKED = """
import sys
sys.modules.update(dict.fromkeys(("tensorflow", "tensorflow_datasets", "ml_collections")))
from conceal_jax.commands.main import main
workdir = "--workdir=" + sys.argv[1]
sys.exit(main(["train", "--config=demo:shrunken", workdir]) or main(["evaluate", workdir]))
"""


def test_training_and_evaluation_need_no_tensorflow(tmp_path):
    result = subprocess.run([sys.executable, "-c", BLOCKED, str(tmp_path)], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "report" / "report.json").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--config.model.latnt_dim=3"], "did you mean 'latent_dim'"),
        (["--config=configs/absent.py"], "no configuration 'configs/absent.py'"),
        (["--profile=5"], "give START:STOP"),
        (["--config=configs/utkface.py"], "data.path is empty"),
        (["--config=configs/utkface.py", "--config.data.path=absent.zip"], "absent.zip"),
    ],
)
def test_user_errors_are_one_line(tmp_path, arguments, message):
    command = [sys.executable, "train.py", f"--workdir={tmp_path / 'run'}", *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert message in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.stderr


STOPPED = """
import {module}, runpy, sys
def stop(*arguments):
    raise {error}
{module}.{function} = stop
sys.argv = ["{script}", "--workdir=" + sys.argv[1]]
runpy.run_path("{script}", run_name="__main__")
"""


@pytest.mark.parametrize(
    ("script", "module", "function"),
    [
        ("train.py", "conceal_jax.training.loop", "train"),
        ("evaluate.py", "conceal_jax.evaluation.evaluate", "evaluate_run"),
    ],
)
@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        ("KeyboardInterrupt", 130, "interrupted"),
        ("OSError(28, 'No space left on device')", 1, "error: [Errno 28] No space left on device"),
    ],
)
def test_ctrl_c_and_a_full_disk_are_one_line(tmp_path, script, module, function, error, status, message):
    code = STOPPED.format(script=script, module=module, function=function, error=error)
    result = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr.splitlines()) == (status, [message])


def test_unknown_arguments_are_refused(capsys):
    with pytest.raises(SystemExit):
        main(["train", "--confg.model.latent_dim=3"])
    assert "unknown argument" in capsys.readouterr().err


def test_evaluating_what_is_no_run_is_refused(tmp_path, capsys):
    assert main(["evaluate", f"--workdir={tmp_path}"]) == 1
    assert "give a run directory" in capsys.readouterr().err
