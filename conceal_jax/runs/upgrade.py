"""Parameters for inference from a checkpoint, for runs that lack the file."""

from pathlib import Path

from flax.traverse_util import flatten_dict, unflatten_dict

from conceal_jax.config import files as config_files
from conceal_jax.runs import run_directory
from conceal_jax.runs.checkpoint import restore_run
from conceal_jax.runs.parameters import save_parameters
from conceal_jax.runs.plan import planned_stages


def upgrade_run(workdir: Path) -> Path:
    """Writes a run's parameters from the newest good checkpoint of its last stage.

    Of the checkpoint, only the model's parameters have to fit: whatever else training keeps may have changed since.

    Returns:
        The file.

    Raises:
        ValueError: the directory holds no run, its last stage has no checkpoint, or another model's.
        OSError: the file cannot be written.
    """
    config = config_files.load(workdir / run_directory.CONFIG)
    stage = planned_stages(config)[-1]
    state = restore_run(workdir / stage.folder / run_directory.CHECKPOINTS)
    params = unflatten_dict(flatten_dict(state.get("frozen") or {}) | flatten_dict(state["ema_params"]))
    path = workdir / run_directory.PARAMETERS
    save_parameters(path, params, config, step=int(state["step"]), stage=stage.name)
    return path
