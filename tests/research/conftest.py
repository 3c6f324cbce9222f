"""A sweep small enough for tests: a network of dense layers on a hundred synthetic faces."""

import dataclasses

import pytest

from conceal_jax.attributes import AttributeSet, Categorical, Continuous
from conceal_jax.config import Config, Correlation, DataConfig, EvaluationConfig, ModelConfig, TrainingConfig
from conceal_jax.config import files as config_files
from conceal_jax.data.resident import load_resident
from conceal_jax.data.sources.open import open_collection

CONFIG = Config(
    attributes=AttributeSet(
        concealed=(Categorical("gender", ("male", "female")),),
        kept=(Categorical("smile", ("no", "yes")), Continuous("brightness", 0, 1)),
    ),
    data=DataConfig(
        image_size=32,
        synthetic_count=144,
        validation_fraction=1 / 3,
        correlations=(Correlation("brightness", "gender", 0.6),),
    ),
    model=ModelConfig(latent_dim=4, patch=8, widths=(16,), blocks=(0,), dtype="float32"),
    training=TrainingConfig(steps=6, batch_size=32, warmup_steps=1, log_every=3),
    evaluation=EvaluationConfig(batch_size=32),
)


def overridden(**values):
    """The configuration with some fields replaced, as NAME__FIELD=value."""
    texts = {name: value if isinstance(value, str) else repr(value) for name, value in values.items()}
    return config_files.override(CONFIG, {name.replace("__", "."): text for name, text in texts.items()})


@pytest.fixture(scope="session")
def items():
    """The training people."""
    collection = open_collection(CONFIG.data, CONFIG.attributes, 0).subset("train")
    return load_resident(collection, 32, "center")


@pytest.fixture(scope="session")
def attributes(items):
    return dataclasses.replace(CONFIG.attributes).with_neutral(items.labels)
