import dataclasses
import json
from pathlib import Path

import pytest

from conceal_jax.attributes import AttributeSet, Categorical
from conceal_jax.config import Config, shipped, shrunken
from conceal_jax.config import files as config_files
from conceal_jax.config.validation import validate
from conceal_jax.version import __version__

CONFIG = Config(attributes=AttributeSet((Categorical("gender", ("male", "female")),)))


def test_json_keeps_everything(tmp_path):
    config = config_files.override(CONFIG, {"objective.rate_target": "20", "model.widths": "(8, 16, 24)"})
    config_files.save(config, tmp_path / "config.json")
    assert config_files.load(tmp_path / "config.json") == config


def test_a_run_of_another_version_is_refused_with_both_versions(tmp_path):
    tree = {"version": "0.0.1", **config_files.to_tree(CONFIG)}
    (tmp_path / "config.json").write_text(json.dumps({**tree, "objective": {"free_nats": 1.0}}))
    with pytest.raises(ValueError, match=f"was written by version 0.0.1, this is {__version__}: .*'free_nats'"):
        config_files.load(tmp_path / "config.json")


def test_overrides_take_the_type_of_their_field():
    config = config_files.override(
        CONFIG,
        {"model.latent_dim": "7", "data.path": "a.zip", "data.flip": "False", "objective.beta": "3", "seed": "5"},
    )
    assert (config.model.latent_dim, config.data.path, config.data.flip, config.seed) == (7, "a.zip", False, 5)
    assert isinstance(config.objective.beta, float)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("model.latnt_dim", "3", "unknown configuration field 'latnt_dim'.*did you mean 'latent_dim'"),
        ("modle.latent_dim", "3", "did you mean 'model'"),
        ("model.latent_dim", "3.5", "model.latent_dim=3.5; expected int"),
        ("model", "3", "is a section"),
        ("seed.x", "3", "unknown configuration field"),
        ("data.crop", "left", "allowed are \\('center', 'none'\\)"),
    ],
)
def test_overrides_that_do_not_fit_are_refused(name, value, message):
    with pytest.raises(ValueError, match=message):
        config_files.override(CONFIG, {name: value})


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("data.source", "utk", "allowed are synthetic"),
        ("data.source", "folder", "data.path is empty"),
        ("data.image_size", "65", "allowed are 32, 64 and 128"),
        ("data.validation_fraction", "1.0", "between 0 and 1"),
        ("data.max_bad_fraction", "nan_", "expected float"),
        ("model.latent_dim", "0", "model.latent_dim=0; it must be at least 1"),
        ("model.widths", "(10,)", "multiples of 8"),
        ("model.blocks", "(1,)", "one number, 0 or more, for each width"),
        ("model.patch", "5", "cannot be divided into patches of 5"),
        ("objective.scale", "0", "objective.scale=0.0; it must be above 0"),
        ("objective.rate_target", "-1", "nats above 0"),
        ("training.ema_decay", "1.0", r"must lie in \[0, 1\)"),
        ("training.batch_size", "0", "at least 1"),
    ],
)
def test_validation_says_what_is_wrong(name, value, message):
    with pytest.raises(ValueError, match=message):
        validate(config_files.override(CONFIG, {name: value}))


def test_closed_form_penalties_are_refused_beside_a_censor_and_in_parts_of_a_batch():
    penalised = {"penalty.hsic": "3", "censor.steps": "9"}
    with pytest.raises(ValueError, match=r"penalty\.hsic=3\.0 with a censor.*censor\.steps=0"):
        validate(config_files.override(CONFIG, penalised))
    alone = config_files.override(CONFIG, {**penalised, "censor.steps": "0"})
    assert validate(alone) == alone
    with pytest.raises(ValueError, match=r"with training\.microbatches=2.*set training\.microbatches=1"):
        validate(config_files.override(alone, {"training.microbatches": "2"}))


def test_a_multiplier_cannot_start_at_zero():
    with pytest.raises(ValueError, match="must be above 0"):
        validate(config_files.override(CONFIG, {"objective.beta": "0", "objective.rate_target": "9"}))


def test_differences_name_the_fields():
    other = config_files.override(CONFIG, {"model.latent_dim": "7", "seed": "3"})
    assert config_files.differences(CONFIG, other) == {"model.latent_dim": (64, 7), "seed": (0, 3)}


@pytest.mark.parametrize("text", ["", "[]", "{", '{"seed": "x"}', '{"sead": 1}', '{"model": 3}', '{"seed": 1}'])
def test_a_damaged_config_json_is_refused(tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(ValueError, match="config"):
        config_files.load(tmp_path / "config.json")


def test_a_directory_without_config_is_no_run(tmp_path):
    with pytest.raises(ValueError, match="give a run directory"):
        config_files.load(tmp_path / "config.json")


def test_files_without_get_config_are_refused(tmp_path):
    (tmp_path / "empty.py").write_text("")
    with pytest.raises(ValueError, match="defines no get_config"):
        config_files.load_config(str(tmp_path / "empty.py"))
    with pytest.raises(ValueError, match=r"no configuration .*or the name of one of celeb_a, "):
        config_files.load_config(str(tmp_path / "absent.py"))
    with pytest.raises(ValueError, match="got the variant 'tiny'"):
        config_files.load_config(str(tmp_path / "empty.py:tiny"))


CONFIGS = sorted(path.name for path in Path("configs").glob("*.py") if not path.name.startswith("sweep_"))


@pytest.mark.parametrize("file", CONFIGS)
def test_shipped_configs_are_valid_and_shrink(file):
    paths = {"data.path": "somewhere", "data.labels": "somewhere"}
    config = config_files.load_config(f"configs/{file}", paths)
    small = config_files.load_config(f"configs/{file}:shrunken", paths)
    assert small == shrunken(config)
    assert dataclasses.replace(small.objective) == config.objective
    assert config_files.from_tree(config_files.to_tree(config)) == config


def test_a_path_may_look_like_a_number():
    config = config_files.load_config("configs/utkface.py", {"data.path": "2024"})
    assert config.data.path == "2024"


def test_attributes_are_not_called_as_what_is_measured_in_pictures():
    config = config_files.load_config("configs/demo.py")
    measured = dataclasses.replace(config.attributes.kept[0], name="luminance")
    attributes = dataclasses.replace(config.attributes, kept=(measured,))
    with pytest.raises(ValueError, match="called luminance, as what is measured"):
        validate(dataclasses.replace(config, attributes=attributes))


def test_a_class_that_could_not_be_asked_for_is_refused():
    attributes = AttributeSet((Categorical("hair", ("long, curly", "short")),))
    with pytest.raises(ValueError, match="name classes without one"):
        validate(dataclasses.replace(CONFIG, attributes=attributes))


def test_a_shipped_configuration_is_found_by_name_and_by_path_from_anywhere(tmp_path, monkeypatch):
    expected = config_files.load_config("configs/demo.py:shrunken")
    absolute = shipped.find("demo").resolve()
    monkeypatch.chdir(tmp_path)
    assert config_files.load_config("demo:shrunken") == expected
    assert config_files.load_config(f"{absolute}:shrunken") == expected
    monkeypatch.setenv("HOME", str(absolute.parent))
    assert config_files.load_config("~/demo.py:shrunken") == expected


def test_a_configuration_can_be_built_on_a_shipped_one(tmp_path):
    (tmp_path / "mine.py").write_text(
        "import dataclasses\n"
        "from conceal_jax.config.files import read_config\n"
        "def get_config():\n    return dataclasses.replace(read_config('demo'), seed=7)\n"
    )
    assert config_files.load_config(str(tmp_path / "mine.py")).seed == 7
