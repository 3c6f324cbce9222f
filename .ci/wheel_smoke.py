"""The wheel, installed alone, works: all modules import, and `conceal` trains, evaluates and conceals."""

import importlib
import pkgutil
import subprocess
import sys
import tempfile
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

from PIL import Image

import conceal_jax
from conceal_jax.data.synthetic.factors import draw_factors, render_faces

CONCEAL = Path(sys.executable).with_name("conceal")


def main() -> None:
    """Fails unless it is the installed wheel that is imported, whole, and working."""
    assert str(conceal_jax.__file__).startswith(sys.prefix), f"not the wheel: {conceal_jax.__file__}"
    assert version("conceal_jax") == conceal_jax.__version__
    assert files("conceal_jax").joinpath("py.typed").is_file()
    modules = [module.name for module in pkgutil.walk_packages(conceal_jax.__path__, "conceal_jax.")]
    for name in modules:
        importlib.import_module(name)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        conceal(work, "train", "--config=demo:shrunken", "--config.data.validation_fraction=0.5", "--workdir=run")
        conceal(work, "train", "--config=synthetic:shrunken", "--workdir=built_on_demo")
        conceal(work, "evaluate", "--workdir=run")
        assert (work / "run" / "report" / "report.html").is_file()
        draw_album(work / "album")
        conceal(work, "photos", "album", "concealed", "--model=run")
        assert len(list((work / "concealed").glob("*.png"))) == 3
    print(f"conceal_jax {conceal_jax.__version__}, alone: {len(modules)} modules import; trains, evaluates, conceals")


def conceal(work: Path, *arguments: str) -> None:
    """Runs the console script in a folder."""
    subprocess.run([CONCEAL, *arguments], cwd=work, check=True)


def draw_album(folder: Path) -> None:
    """Three synthetic faces as files."""
    folder.mkdir()
    for index, face in enumerate(render_faces(draw_factors(3, seed=0), seed=0, size=64)):
        Image.fromarray(face).save(folder / f"{index}.png")


if __name__ == "__main__":
    main()
