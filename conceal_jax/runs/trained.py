"""A trained run, read back from `config.json`, `attributes.json` and `parameters.safetensors`, and nothing else."""

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
from conceal_jax.runs.parameters import read_parameters
from conceal_jax.runtime.parallel import create_mesh, replicate


@dataclasses.dataclass(frozen=True)
class Run:
    """A trained run.

    Attributes:
        config: that it was trained with.
        attributes: what it conceals and keeps.
        model: that `config` describes.
        params: the model's averaged parameters, float32.
        step, stage: of training, after which they were saved.
    """

    config: Config
    attributes: AttributeSet
    model: VAE
    params: PyTree
    step: int
    stage: str


def load_run(workdir: Path) -> Run:
    """Reads a run; its parameters are placed on all of this machine's devices.

    Args:
        workdir: a run directory, or a folder that `conceal export` wrote.

    Raises:
        ValueError: the directory holds no trained run, or one of the three files is damaged.
    """
    config = config_files.load(workdir / run_directory.CONFIG)
    attributes = AttributeSet.load(workdir / run_directory.ATTRIBUTES)
    values, step, stage = read_parameters(workdir / run_directory.PARAMETERS, config)
    return Run(config, attributes, create_model(config), replicate(values, create_mesh()), step, stage)


def model_hash(run: Run) -> str:
    """SHA-256, in hexadecimal, of all that a code depends on: the model's form and the values of its parameters.

    Codes made on one kind of device are read on another, so the precision of its activations does not count.
    """
    form = dataclasses.replace(run.config, model=dataclasses.replace(run.config.model, dtype="float32", remat=False))
    digest = hashlib.sha256(json.dumps([repr(create_model(form)), form.data.image_size]).encode())
    for path, leaf in jax.tree_util.tree_leaves_with_path(run.params):
        values = np.asarray(leaf)
        digest.update(f"{jax.tree_util.keystr(path)} {values.dtype} {values.shape}".encode())
        digest.update(values.tobytes())
    return digest.hexdigest()
