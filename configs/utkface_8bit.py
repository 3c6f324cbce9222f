"""UTKFace with a finite code of 8 bits, which can be certified from people that training never met.

    python train.py --config=configs/utkface_8bit.py --config.data.path=utkface.zip --workdir=runs/utkface_8bit
    python evaluate.py --workdir=runs/utkface_8bit

Four numbers of four values each: 256 different codes, and as many pictures for each label. Otherwise as
`configs/utkface.py`.
Expected: certified gender <= .58, ethnicity <= .32, age groups <= .21, and pictures that show little but brightness;
docs/results.md has the rest.
"""

import dataclasses

from conceal_jax.config import Config
from conceal_jax.config.files import read_config


def get_config() -> Config:
    """The configuration beside this one, with a code of at most log 256 nats, which needs no charge for its rate."""
    config = read_config("utkface")
    censor = dataclasses.replace(config.censor, bottleneck="finite", levels=(4, 4, 4, 4), beta=0.0)
    return dataclasses.replace(config, censor=censor)
