import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from conceal_jax.attributes import AGE_GROUPS, AttributeSet, Categorical, Continuous

GENDER = Categorical("gender", ("male", "female"))
ETHNICITY = Categorical("ethnicity", ("White", "Black", "Asian", "Indian", "Other"))
AGE = Continuous("age", 0, 120, "years", edges=AGE_GROUPS)
SMILE = Categorical("smile", ("no", "yes"), column="smile_probability", threshold=0.5)


def encode(seed: int, kind: str = "JPEG", size: tuple[int, int] = (32, 32)) -> bytes:
    """A smooth random picture as a file."""
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), np.uint8)
    picture = Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    picture.save(buffer, kind)
    return buffer.getvalue()


def write_zip(path: Path, files: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


@pytest.fixture
def faces() -> AttributeSet:
    return AttributeSet((GENDER, AGE))


@pytest.fixture
def make_folder(tmp_path: Path) -> Callable[..., Path]:
    """Writes files and a labels.csv into a folder."""

    def make(files: dict[str, bytes], labels: str) -> Path:
        folder = tmp_path / "photos"
        for name, content in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        (tmp_path / "labels.csv").write_text(labels)
        return folder

    return make
