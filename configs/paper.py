"""The paper's own method and nothing else (Hanukoglu et al. 2019, arXiv 1909.09156), on UTKFace at 64x64.

    conceal train --config=paper --config.data.path=utkface.zip --workdir=runs/paper
    conceal evaluate --workdir=runs/paper

A convolutional VAE whose sampled latent is joined with the labels of gender, ethnicity and age. It has no censor, no
adversary and no recognition. It is the baseline that configs/utkface.py is compared with; `data.path` is as there.

Time: an hour and a half to train on two cores, where gradients of strided convolutions are slow; minutes on an
accelerator.
"""

from conceal_jax.config import Config, DataConfig, ModelConfig, ObjectiveConfig, TrainingConfig
from conceal_jax.config.files import read_config


def get_config() -> Config:
    """One stage: the reconstruction and the rate, with the labels given to the decoder."""
    utkface = read_config("utkface")
    return Config(
        attributes=utkface.attributes,
        data=DataConfig(source="utkface", image_size=64),
        model=ModelConfig(network="convolutional", latent_dim=64, widths=(32, 64, 128, 256)),
        objective=ObjectiveConfig(likelihood="gaussian", scale=0.1, beta=1.0),
        training=TrainingConfig(
            steps=4000, batch_size=64, evaluate_every=1000, pictures_every=1000, checkpoint_every=1000
        ),
    )
