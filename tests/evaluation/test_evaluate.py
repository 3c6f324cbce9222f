import dataclasses
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from conceal_jax.attributes import AttributeSet
from conceal_jax.commands.main import main
from conceal_jax.config import Config, DataConfig
from conceal_jax.config import files as config_files
from conceal_jax.data.report import BadDataError
from conceal_jax.data.sources.open import open_collection
from conceal_jax.evaluation.arrays import audit_arrays
from conceal_jax.evaluation.people import readable
from tests.data.conftest import encode, faces, make_folder  # noqa: F401 (fixtures)


def settings(folder: Path, max_bad_fraction: float) -> Config:
    data = DataConfig("folder", str(folder), str(folder.parent / "labels.csv"), max_bad_fraction=max_bad_fraction)
    return dataclasses.replace(config_files.load_config("configs/demo.py:shrunken"), data=data)


def test_who_cannot_be_read_is_told_of_and_too_many_stop_an_evaluation(
    make_folder: Callable[..., Path],  # noqa: F811
    faces: AttributeSet,  # noqa: F811
    caplog: pytest.LogCaptureFixture,
) -> None:
    files = {f"{index:02d}.jpg": encode(index) if index % 5 else b"rubbish" for index in range(20)}
    folder = make_folder(files, "\n".join(["file,age,gender", *(f"{name},20,male" for name in files)]))
    config = settings(folder, 0.3)
    with caplog.at_level(logging.WARNING):
        decoded = readable(open_collection(config.data, faces, seed=0), config, noise=0).decoded
    assert np.flatnonzero(~decoded.valid).tolist() == [0, 5, 10, 15]
    assert "4 of 20 pictures cannot be read and are left out: 00.jpg, 05.jpg, 10.jpg" in caplog.text
    few = settings(folder, 0.1)
    with pytest.raises(BadDataError, match=r"4 of 20 items .* above the limit"):
        readable(open_collection(few.data, faces, seed=0), few, noise=0)


@pytest.mark.parametrize("folds", [1, -3])
def test_everyone_is_judged_in_two_folds_or_more(folds: int) -> None:
    arrays = {"codes": np.zeros((9, 2), np.float32), "gender": np.array(["f", "m", "m"] * 3)}
    with pytest.raises(ValueError, match=f"got {folds} folds; give 2 or more"):
        audit_arrays(arrays, "codes", Path("unused"), folds=folds)


@pytest.mark.parametrize("option", ["--out=report", "--kept=smile", "--seed=0"])
def test_options_of_a_file_are_refused_with_a_run(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["evaluate", "--workdir=runs/demo", option])
    assert "go with --codes" in capsys.readouterr().err
