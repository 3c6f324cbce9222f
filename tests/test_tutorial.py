"""The tutorial, followed to the letter on drawn faces: its table, its configuration, all of its commands, shrunken."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from conceal_jax.commands.main import main
from conceal_jax.data.synthetic.factors import CONCEALED, draw_factors, render_faces

TEXT = Path("docs/tutorial.md").read_text(encoding="utf-8")
(CONFIGURATION,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
COMMANDS = [
    command
    for block in re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)
    for command in block.replace("\\\n", " ").splitlines()
]
(HEADER,) = re.findall(r"^ *(filename,.*)$", TEXT, re.MULTILINE)
COUNT = 160
"""Attackers need 40 people to learn from and 10 held-out ones; a tenth is held out."""


def draw_collection(folder: Path) -> None:
    """Faces in a folder, and a table with the tutorial's header."""
    factors = draw_factors(COUNT, seed=0)
    faces = render_faces(factors, seed=0, size=32)
    (folder / "photos").mkdir()
    rows = [HEADER]
    for index, face in enumerate(faces):
        name = f"{index:02d}.png"
        Image.fromarray(face).save(folder / "photos" / name)
        gender = CONCEALED["gender"][factors["gender"][index]]
        rows.append(f"{name},{gender},{factors['age'][index]:.0f},{factors['smile'][index]},{index}")
    (folder / "labels.csv").write_text("\n".join(rows))


def run(command: str) -> None:
    """A line of the tutorial; `conceal` in this process, with the shrunken configuration."""
    program, *arguments = shlex.split(command)
    if program == "conceal":
        assert main([argument.replace("mine.py", "mine.py:shrunken") for argument in arguments]) == 0, command
    else:
        assert program == "python"
        subprocess.run(f"{sys.executable} {command.removeprefix('python')}", shell=True, check=True)


def test_the_tutorial_ends_in_a_report_and_concealed_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw_collection(tmp_path)
    (tmp_path / "mine.py").write_text(CONFIGURATION)
    monkeypatch.chdir(tmp_path)
    for command in COMMANDS:
        run(command)
    assert (tmp_path / "runs/mine/report/report.html").stat().st_size > 10_000
    for folder in ("concealed", "older", "pictures"):
        assert len(list((tmp_path / folder).glob("*.png"))) == COUNT
    assert len(list((tmp_path / "codes").glob("codes-*.npz"))) == 1
