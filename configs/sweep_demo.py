"""Rate, leakage and distortion of the paper's bottleneck on synthetic faces, 32x32: 8 weights of the rate, 3 seeds.

    conceal sweep sweep_demo --out sweeps/demo

Takes 6 minutes on two cores. As the rate falls from 129 to 5 nats, attackers read gender at .688 to .581, around its
floor of .602: brightness, which is kept, follows gender.
"""

from conceal_jax.attributes import AttributeSet, Categorical, Continuous
from conceal_jax.config import Config, Correlation, DataConfig, ModelConfig, ObjectiveConfig, TrainingConfig
from conceal_jax.research.sweep import Sweep, grid


def get_sweep() -> Sweep:
    """Gender and ethnicity concealed; every combination of beta and seed."""
    base = Config(
        attributes=AttributeSet(
            concealed=(
                Categorical("gender", ("male", "female")),
                Categorical("ethnicity", ("White", "Black", "Asian", "Indian", "Other")),
            ),
            kept=(
                Categorical("smile", ("no", "yes")),
                Categorical("glasses", ("no", "yes")),
                Continuous("brightness", 0, 1),
                Continuous("background", 0, 1),
            ),
        ),
        # A mirrored face has another pose.
        data=DataConfig(
            synthetic_count=5120,
            correlations=(Correlation("brightness", "gender", 0.2),),
            image_size=32,
            flip=False,
            validation_fraction=0.2,
        ),
        # Dense layers alone: under vmap convolutions become grouped ones, which are slow on CPUs.
        model=ModelConfig(latent_dim=16, patch=4, widths=(32, 64, 128), blocks=(0, 0, 0), dtype="float32"),
        objective=ObjectiveConfig(likelihood="gaussian", scale=0.1),
        training=TrainingConfig(steps=1000, batch_size=64, warmup_steps=50, ema_decay=0.99, log_every=100),
    )
    return Sweep(base, grid({"objective.beta": (0.02, 0.4, 1.5, 4.0, 8.0, 20.0, 45.0, 90.0)}))
