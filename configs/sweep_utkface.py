"""Twelve points of each bottleneck on UTKFace, 32x32, with three seeds: rate, leakage, distortion, kept attributes.

    conceal sweep sweep_utkface --out sweeps/utkface --config.data.path=utkface.zip

Takes about two hours on two cores; docs/results.md has the table. The paper's Gaussian over the weight of its rate, the
clipped mean over its noise, and finite codes of 4 to 16 bits; the latter two with certificates.
"""

from conceal_jax.attributes import AGE_GROUPS, AttributeSet, Categorical, Continuous
from conceal_jax.config import Config, DataConfig, ModelConfig, ObjectiveConfig, TrainingConfig
from conceal_jax.research.sweep import Sweep, grid

BETAS = (1.0, 2.0, 4.0, 8.0, 15.0, 25.0, 40.0, 70.0, 120.0, 200.0, 350.0, 600.0)
NOISES = (0.05, 0.08, 0.12, 0.18, 0.25, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 3.0)
LEVELS = (
    *((4, 4), (2, 4, 4), (4, 4, 4), (2, 4, 4, 4), (4, 4, 4, 4), (2, 4, 4, 4, 4)),
    *((4,) * 5, (2, *(4,) * 5), (4,) * 6, (2, *(4,) * 6), (4,) * 7, (4,) * 8),
)
"""4, 5, ..., 14 and 16 bits."""


def get_sweep() -> Sweep:
    """Gender, ethnicity and age concealed."""
    base = Config(
        attributes=AttributeSet(
            concealed=(
                Categorical("gender", ("male", "female")),
                Categorical("ethnicity", ("White", "Black", "Asian", "Indian", "Other")),
                Continuous("age", 0, 120, "years", edges=AGE_GROUPS),
            ),
            kept=(Categorical("smile", ("no", "yes"), column="smile_probability", threshold=0.5, optional=True),),
        ),
        data=DataConfig(source="utkface", path="utkface.zip", image_size=32),
        model=ModelConfig(latent_dim=32, patch=4, widths=(32, 64, 128), blocks=(0, 0, 0), dtype="float32"),
        objective=ObjectiveConfig(likelihood="gaussian", scale=0.1),
        training=TrainingConfig(steps=1000, batch_size=128, warmup_steps=50, ema_decay=0.99, log_every=200),
    )
    gaussian = grid({"objective.beta": BETAS})
    clipped = grid({"model.bottleneck": ("clipped",), "model.noise": NOISES, "objective.beta": (0.0,)})
    finite = grid({"model.bottleneck": ("finite",), "model.levels": LEVELS, "objective.beta": (0.0,)})
    return Sweep(base, (*gaussian, *clipped, *finite))
