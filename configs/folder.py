"""Your own photos: a folder (or zip) of pictures and a CSV or JSONL of labels. Copy this file and edit the attributes.

    conceal train --config=folder --config.data.path=photos/ --config.data.labels=labels.csv --workdir=runs/mine
    conceal evaluate --workdir=runs/mine

Time and result depend on the photos. The 4,000 steps are 20 epochs of 12,800 photos; for another number of photos set
training.steps to 20 * photos / 64.

The label file has a column `filename` (or file, file_name, image, image_id, path) and one column for each attribute:

    filename,gender,age,smile
    anna.jpg,female,34,0.93
    otto.jpg,male,,0.10

An empty cell is a missing label. A cell that is no value of its attribute (a class that is not listed, an age of -3)
makes the picture unusable: it is skipped and listed in data_report.json. Columns `split` (train, validation, test) and
`person` (or duplicate_group, group, identity), where there are any, keep a person on one side of the split.
"""

from conceal_jax.attributes import AGE_GROUPS, AttributeSet, Categorical, Continuous
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
    """Gender and age concealed, smile kept."""
    return Config(
        attributes=AttributeSet(
            # What must be hidden.
            concealed=(
                Categorical("gender", ("male", "female")),
                Continuous("age", 0, 120, "years", edges=AGE_GROUPS, examples=(5, 20, 35, 50, 65, 80)),
            ),
            # What must survive. A score, counted as "yes" from 0.5 on.
            kept=(Categorical("smile", ("no", "yes"), threshold=0.5, optional=True),),
        ),
        data=DataConfig(source="folder", image_size=64, crop="center"),
        model=ModelConfig(latent_dim=128, widths=(48, 96, 192)),
        objective=ObjectiveConfig(likelihood="gaussian", scale=0.1, beta=1.0, recognition=100.0),
        training=TrainingConfig(steps=4000, batch_size=64),
        # As on UTKFace, with milder prices and equal weights; this combination has not been measured.
        censor=CensorConfig(
            steps=3000,
            batch_size=256,
            learning_rate=4e-3,
            latent_dim=32,
            beta=0.5,
            neutral=0.8,
            kept=100.0,
            brightness=1050.0,
            refit_steps=2400,
        ),
        penalty=PenaltyConfig(adversary=4100.0),
    )
