"""A trained run, read back from its directory."""

import dataclasses
import hashlib
import json
from pathlib import Path

import jax
import numpy as np
from jaxtyping import PyTree

from conceal_jax.attributes import AttributeSet
from conceal_jax.config import Config
from conceal_jax.config import files as config_files
from conceal_jax.models.vae import VAE, create_model
from conceal_jax.runs import run_directory
from conceal_jax.runtime.parallel import create_mesh
from conceal_jax.training.stages import trained_state


@dataclasses.dataclass(frozen=True)
class Run:
    """A trained run, read back from its directory."""

    config: Config
    attributes: AttributeSet
    model: VAE
    params: PyTree
    step: int


def load_run(workdir: Path) -> Run:
    """Reads a run: its averaged parameters, ready on this machine's devices.

    Raises:
        ValueError: the directory holds no trained run.
    """
    config = config_files.load(workdir / run_directory.CONFIG)
    attributes = AttributeSet.load(workdir / run_directory.ATTRIBUTES)
    state = trained_state(workdir, config, attributes, create_mesh())
    return Run(config, attributes, create_model(config), state.averaged_model(), int(state.step))


def model_hash(run: Run) -> str:
    """SHA-256, in hexadecimal, of all that a code depends on: the model's form and the values of its parameters.

    Codes made on one kind of device are read on another, so that how precisely each computes does not count.
    """
    form = dataclasses.replace(run.config, model=dataclasses.replace(run.config.model, dtype="float32", remat=False))
    digest = hashlib.sha256(json.dumps([repr(create_model(form)), form.data.image_size]).encode())
    for path, leaf in jax.tree_util.tree_leaves_with_path(run.params):
        values = np.asarray(leaf)
        digest.update(f"{jax.tree_util.keystr(path)} {values.dtype} {values.shape}".encode())
        digest.update(values.tobytes())
    return digest.hexdigest()
