"""UTKFace (aligned and cropped), 64x64: gender, ethnicity and age concealed, smile kept.

    conceal train --config=utkface --config.data.path=utkface.zip --workdir=runs/utkface
    conceal evaluate --workdir=runs/utkface

Trains in 7 minutes on two cores and is audited in 7. PSNR 20.5 dB; from codes, attackers read gender at .576, ethnicity
at .275 and age groups at .177 (balanced accuracy; floors .561, .242, .139).

`data.path` is the folder or zip of the pictures under their original names. A CSV beside it (utkface_extra.csv, or
`data.extra`) may bring filename, split, duplicate_group and smile_probability. Without it nothing is kept but
brightness, and only equal files count as duplicates.
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
    """Train the autoencoder, then the censor against adversaries, then refit the decoder."""
    return Config(
        attributes=AttributeSet(
            concealed=(
                Categorical("gender", ("male", "female")),
                Categorical("ethnicity", ("White", "Black", "Asian", "Indian", "Other")),
                Continuous(
                    "age",
                    0,
                    120,
                    "years",
                    # Faces change fastest when young.
                    knots=(0, 2, 5, 10, 15, 20, 30, 40, 50, 60, 70, 80, 100, 120),
                    edges=AGE_GROUPS,
                    examples=(5, 20, 35, 50, 65, 80),
                ),
            ),
            kept=(Categorical("smile", ("no", "yes"), column="smile_probability", threshold=0.5, optional=True),),
        ),
        data=DataConfig(source="utkface", image_size=64),
        model=ModelConfig(latent_dim=128, widths=(48, 96, 192)),
        objective=ObjectiveConfig(likelihood="gaussian", scale=0.1, beta=1.0, recognition=100.0),
        training=TrainingConfig(
            steps=4000, batch_size=64, evaluate_every=1000, pictures_every=1000, checkpoint_every=1000
        ),
        censor=CensorConfig(
            steps=3000,
            batch_size=256,
            learning_rate=4e-3,
            latent_dim=32,
            beta=0.5,
            neutral=0.8,
            kept=340.0,
            brightness=4900.0,
            refit_steps=2400,
        ),
        penalty=PenaltyConfig(adversary=7000.0, attribute_weights=(0.45, 2.6, 2.15)),
    )
