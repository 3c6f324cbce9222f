"""The file of a trained run: refused with a reason unless it is whole and of the model that config.json describes."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from conceal_jax.commands.exit_codes import ExitCode
from conceal_jax.commands.main import main
from conceal_jax.config import files as config_files
from conceal_jax.models.vae import create_model, init_params
from conceal_jax.runs.checkpoint import Checkpoints
from conceal_jax.runs.parameters import read_parameters, save_parameters
from conceal_jax.runs.plan import planned_stages
from conceal_jax.runs.trained import load_run

CONFIG = config_files.load_config("configs/demo.py:shrunken", {"model.widths": "(8,)", "model.blocks": "(0,)"})


@pytest.fixture(scope="module")
def params():
    return jax.device_get(init_params(create_model(CONFIG), CONFIG, jax.random.key(0)))


@pytest.fixture
def path(params, tmp_path):
    save_parameters(tmp_path / "parameters.safetensors", params, CONFIG, step=3, stage="refit")
    return tmp_path / "parameters.safetensors"


def assert_trees_equal(tree, other):
    assert jax.tree.structure(tree) == jax.tree.structure(other)
    jax.tree.map(np.testing.assert_array_equal, tree, other)


def test_what_is_written_is_read(params, path):
    found = read_parameters(path, CONFIG)
    assert (found.step, found.stage) == (3, "refit")
    assert_trees_equal(found.values, params)


def test_parts_that_only_training_uses_are_neither_written_nor_missed(params, path, tmp_path):
    """A reader, adversaries, a teacher: a run is readable whether or not they were there."""
    extra = {name: {"kernel": jnp.ones((2, 2))} for name in ("reader", "adversaries", "teacher")}
    save_parameters(tmp_path / "more.safetensors", params | extra, CONFIG, step=3, stage="refit")
    assert_trees_equal(load_file(tmp_path / "more.safetensors"), load_file(path))
    censor = dataclasses.replace(CONFIG.censor, kept=0.0, brightness=0.0)
    training = dataclasses.replace(CONFIG.training, clip_norm=1.0, ema_decay=0.0)
    penalty = dataclasses.replace(CONFIG.penalty, adversary=0.0)
    assert CONFIG.censor.kept > 0
    assert CONFIG.penalty.adversary > 0
    without = dataclasses.replace(CONFIG, censor=censor, training=training, penalty=penalty)
    assert_trees_equal(read_parameters(path, without).values, params)


def test_a_missing_file_is_refused_with_the_way_to_get_it(tmp_path):
    with pytest.raises(ValueError, match=rf"no parameters.safetensors in .*conceal upgrade {tmp_path}"):
        read_parameters(tmp_path / "parameters.safetensors", CONFIG)


def cut_off(path):
    path.write_bytes(path.read_bytes()[:-100])


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[-50] ^= 1
    path.write_bytes(content)


def change_the_header(path):
    path.write_bytes(path.read_bytes().replace(b'"step":"3"', b'"step":"x"'))


@pytest.mark.parametrize("harm", [cut_off, flip_a_bit, change_the_header, lambda path: path.write_bytes(b"")])
def test_a_damaged_file_is_refused(path, harm):
    harm(path)
    with pytest.raises(ValueError, match=r"parameters\.safetensors is damaged"):
        read_parameters(path, CONFIG)


def test_parameters_of_another_model_are_named(path, params):
    other = dataclasses.replace(CONFIG, model=dataclasses.replace(CONFIG.model, latent_dim=4))
    with pytest.raises(ValueError, match=r"another model .*got float32\[.*, expected float32\["):
        read_parameters(path, other)
    arrays = load_file(path)
    name = next(iter(arrays))
    metadata = {"step": "3", "stage": "refit", "sha256": ""}
    save_file({**arrays, name: arrays[name].astype(np.float16)}, path, metadata)
    with pytest.raises(ValueError, match=rf"{name}: got float16\[.*, expected float32\["):
        read_parameters(path, CONFIG)
    del arrays[name]
    save_file(arrays, path, metadata)
    with pytest.raises(ValueError, match=rf"{name}: got none, expected float32"):
        read_parameters(path, CONFIG)
    with pytest.raises(ValueError, match="expected float32"):
        save_parameters(path, {"decoder": params["decoder"]}, CONFIG, step=1, stage="refit")


def test_a_checkpoint_is_upgraded_whatever_else_it_holds(params, tmp_path, capsys):
    config_files.save(CONFIG, tmp_path / "config.json")
    CONFIG.attributes.save(tmp_path / "attributes.json")
    trained = {name: params[name] for name in ("decoder",)}
    frozen = {name: params[name] for name in params if name != "decoder"}
    state = {"step": jnp.int32(4), "ema_params": trained, "frozen": frozen, "adversary": {"retired": jnp.ones(3)}}
    folder = tmp_path / planned_stages(CONFIG)[-1].folder
    with Checkpoints(folder / "checkpoints", keep=1) as checkpoints:
        checkpoints.save(4, state)
    assert main(["upgrade", str(tmp_path)]) == ExitCode.DONE
    assert "parameters.safetensors" in capsys.readouterr().out
    run = load_run(tmp_path)
    assert (run.step, run.stage) == (4, "refit")
    assert_trees_equal(jax.device_get(run.params), params)
