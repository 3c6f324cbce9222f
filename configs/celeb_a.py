"""CelebA (202,599 faces), 64x64: Male and Young concealed, six attributes kept; streamed with tf.data.

    conceal train --config=celeb_a                                     # downloads through TFDS
    conceal train --config=celeb_a --config.data.path=celeba/          # reads your copy
    conceal evaluate --workdir=runs/celeb_a

Not measured yet: the settings are those that UTKFace had with codes of 64 dimensions, for 10 epochs of 162,770 training
pictures.

TFDS often meets the download quota of the data's host. Your copy is a folder with `img_align_celeba/` (or
`img_align_celeba.zip`), `list_attr_celeba.txt`, `list_eval_partition.txt` and, if you have it, `identity_CelebA.txt`.
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


def _score(name: str) -> Categorical:
    """An attribute given as -1 or 1."""
    return Categorical(name, ("no", "yes"), threshold=0.0)


def get_config() -> Config:
    """The three stages of configs/utkface.py, with other attributes."""
    kept = ("Smiling", "Eyeglasses", "Mouth_Slightly_Open", "Black_Hair", "Blond_Hair", "Wearing_Hat")
    return Config(
        attributes=AttributeSet((_score("Male"), _score("Young")), tuple(_score(name) for name in kept)),
        data=DataConfig(source="celeb_a", image_size=64, crop="center", loader="stream"),
        # UTKFace does without blocks; so many photos on an accelerator may use them.
        model=ModelConfig(latent_dim=128, widths=(48, 96, 192), blocks=(0, 1, 1)),
        objective=ObjectiveConfig(likelihood="gaussian", scale=0.1, beta=1.0, recognition=100.0),
        training=TrainingConfig(steps=6360, batch_size=256, evaluate_every=1000, pictures_every=1000),
        # As on UTKFace with 64 dimensions; configs/utkface.py has 32.
        censor=CensorConfig(
            steps=3000,
            batch_size=256,
            learning_rate=4e-3,
            latent_dim=64,
            beta=0.5,
            neutral=0.8,
            kept=100.0,
            brightness=1050.0,
            refit_steps=2400,
        ),
        penalty=PenaltyConfig(adversary=4100.0),
    )
