"""The wheel, installed alone, works: every module imports, and a tiny run on synthetic faces trains."""

import importlib
import pkgutil
import sys
import tempfile
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

import conceal_jax
from conceal_jax.attributes import AttributeSet, Categorical
from conceal_jax.config import Config, shrunken
from conceal_jax.training.loop import train


def main() -> None:
    """Fails unless it is the installed wheel that is imported, whole, and working."""
    assert str(conceal_jax.__file__).startswith(sys.prefix), f"not the wheel: {conceal_jax.__file__}"
    assert version("conceal_jax") == conceal_jax.__version__
    assert files("conceal_jax").joinpath("py.typed").is_file()
    modules = [module.name for module in pkgutil.walk_packages(conceal_jax.__path__, "conceal_jax.")]
    for name in modules:
        importlib.import_module(name)
    config = shrunken(Config(AttributeSet(concealed=(Categorical("gender", ("male", "female")),))))
    with tempfile.TemporaryDirectory() as workdir:
        state = train(config, Path(workdir))
    assert int(state.step) == config.training.steps
    print(f"conceal_jax {conceal_jax.__version__}, alone: {len(modules)} modules import, a tiny run trains")


if __name__ == "__main__":
    main()
