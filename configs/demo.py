"""The demo: synthetic faces at 64x64 with known factors. The default of train.py.

python train.py                              # into runs/demo
python evaluate.py --workdir=runs/demo

docs/results.md has figures at somewhat more steps. The censor's settings are those of UTKFace, not chosen for this.
"""

from conceal_jax.attributes import AGE_GROUPS, AttributeSet, Categorical, Continuous
from conceal_jax.config import (
    CensorConfig,
    Config,
    DataConfig,
    EvaluationConfig,
    ModelConfig,
    ObjectiveConfig,
    PenaltyConfig,
    TrainingConfig,
)


def get_config() -> Config:
    """Gender, ethnicity and age concealed; everything else of a synthetic face kept."""
    return Config(
        attributes=AttributeSet(
            concealed=(
                Categorical("gender", ("male", "female")),
                Categorical("ethnicity", ("White", "Black", "Asian", "Indian", "Other")),
                Continuous("age", 0, 100, "years", edges=AGE_GROUPS, examples=(5, 20, 35, 50, 65, 80)),
            ),
            kept=(
                Categorical("smile", ("no", "yes")),
                Categorical("hair", ("short", "long", "curly", "buzz")),
                Categorical("glasses", ("no", "yes")),
                Continuous("brightness", 0, 1),
                Continuous("background", 0, 1),
                Continuous("pose", -1, 1),
            ),
        ),
        # A mirrored face has another pose.
        data=DataConfig(source="synthetic", synthetic_count=8192, image_size=64, flip=False),
        model=ModelConfig(latent_dim=64, widths=(32, 64, 128), blocks=(1, 1, 1)),
        objective=ObjectiveConfig(likelihood="gaussian", scale=0.07, beta=3.0),
        training=TrainingConfig(
            steps=1600, batch_size=32, evaluate_every=800, pictures_every=1000, checkpoint_every=1000
        ),
        censor=CensorConfig(steps=800, latent_dim=64, beta=0.5, neutral=0.8, kept=200.0, refit_steps=200),
        penalty=PenaltyConfig(adversary=3000.0),
        evaluation=EvaluationConfig(attack_examples=6000),
    )
