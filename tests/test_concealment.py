"""The product's promise at reduced size, on synthetic faces, whose factors are independent: chance is the floor."""

import jax
import pytest

from conceal_jax.audit.attackers.suite import quick_suite
from conceal_jax.audit.examples import Examples
from conceal_jax.audit.protocol import attack
from conceal_jax.audit.targets import Target
from conceal_jax.config import files as config_files
from conceal_jax.data.resident import Resident, load_resident
from conceal_jax.data.sources.open import open_collection
from conceal_jax.release.encode import encode_pictures
from conceal_jax.runs.trained import Run, load_run
from conceal_jax.training.loop import train

REDUCED = {
    "data.image_size": "32",
    "data.synthetic_count": "6000",
    "data.validation_fraction": "0.33",
    "model.widths": "(24,48)",
    "model.blocks": "(0,1)",
    "training.steps": "500",
    "training.evaluate_every": "500",
    "training.pictures_every": "500",
    "censor.steps": "600",
    "censor.width": "128",
    "censor.refit_steps": "0",
    "adversary.widths": "(0,96)",
    # In so short a game slow readers fall behind; in a long one quick readers are fooled (docs/method.md).
    "adversary.learning_rate": "6e-3",
}


def examples(run: Run, part: Resident, seed: int) -> Examples:
    """Sampled codes, with what attackers want to know."""
    targets = {
        spec.name: Target(spec.groups(part.labels[spec.name]), len(spec.group_names)) for spec in run.attributes.all
    }
    return Examples(encode_pictures(run.model, run.params, part.images, jax.random.key(seed)), targets)


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> dict[str, float]:
    """The highest balanced accuracy (or R2) of fresh attackers, by attribute."""
    config = config_files.load_config("configs/demo.py", REDUCED)
    workdir = tmp_path_factory.mktemp("run")
    train(config, workdir)
    run = load_run(workdir)
    collection = open_collection(config.data, config.attributes, config.seed)
    learn, judged = (
        examples(run, load_resident(collection.subset(split), 32, config.data.crop), seed)
        for seed, split in enumerate(("train", "validation"))
    )
    return {name: reading.highest.value for name, reading in attack(learn, judged, quick_suite(0)).items()}


@pytest.mark.parametrize(("name", "highest"), [("gender", 0.57), ("ethnicity", 0.29), ("age", 0.16)])
def test_fresh_attackers_read_what_is_concealed_hardly_above_chance(read, name, highest):
    """Without the censor they read .66, .83 and .41."""
    assert read[name] < highest


@pytest.mark.parametrize(("name", "lowest"), [("glasses", 0.75), ("background", 0.8), ("brightness", 0.75)])
def test_what_is_kept_is_still_read(read, name, lowest):
    assert read[name] > lowest
