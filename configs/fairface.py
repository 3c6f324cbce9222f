"""FairFace (97,698 faces), 64x64: gender, seven ethnicities and nine age groups concealed.

    conceal train --config=fairface --config.data.path=fairface/ --workdir=runs/fairface
    conceal evaluate --workdir=runs/fairface

Not measured yet: the settings are those of configs/utkface.py, for 10 epochs of 86,744 training pictures.

`data.path` is the folder or zip with `train/`, `val/`, `fairface_label_train.csv` and `fairface_label_val.csv` as they
are distributed. FairFace gives ages as groups, so age is a class here.
"""

from conceal_jax.attributes import AttributeSet, Categorical
from conceal_jax.config import (
    CensorConfig,
    Config,
    DataConfig,
    ModelConfig,
    ObjectiveConfig,
    PenaltyConfig,
    TrainingConfig,
)


def get_config() -> Config:
    """The three stages of configs/utkface.py, without a kept attribute."""
    return Config(
        attributes=AttributeSet(
            concealed=(
                Categorical("gender", ("Male", "Female")),
                Categorical(
                    "ethnicity",
                    (
                        "White",
                        "Black",
                        "East Asian",
                        "Southeast Asian",
                        "Indian",
                        "Middle Eastern",
                        "Latino_Hispanic",
                    ),
                    column="race",
                ),
                Categorical("age", ("0-2", "3-9", "10-19", "20-29", "30-39", "40-49", "50-59", "60-69", "70+")),
            ),
        ),
        data=DataConfig(source="fairface", image_size=64),
        model=ModelConfig(latent_dim=128, widths=(48, 96, 192)),
        objective=ObjectiveConfig(likelihood="gaussian", scale=0.1, beta=1.0, recognition=100.0),
        training=TrainingConfig(steps=6780, batch_size=128),
        # As on UTKFace. There is no kept attribute to pay for.
        censor=CensorConfig(
            steps=3000,
            batch_size=256,
            learning_rate=4e-3,
            latent_dim=32,
            beta=0.5,
            neutral=0.8,
            brightness=4900.0,
            refit_steps=2400,
        ),
        penalty=PenaltyConfig(adversary=7000.0, attribute_weights=(0.45, 2.6, 2.15)),
    )
