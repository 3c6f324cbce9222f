"""UTKFace with a finite code of 8 bits, for which certificates can be issued.

    conceal train --config=utkface_8bit --config.data.path=utkface.zip --workdir=runs/utkface_8bit
    conceal evaluate --workdir=runs/utkface_8bit

PSNR 14.75 dB: pictures show little but brightness. Certified for any attacker on one code: gender at most .574,
ethnicity .319, age groups .206 (balanced accuracy).

Four dimensions of four values each give 256 codes. All else is as in configs/utkface.py.
"""

import dataclasses

from conceal_jax.config import Config
from conceal_jax.config.files import read_config


def get_config() -> Config:
    """UTKFace's, with a code of at most log 256 nats, so that beta can be 0."""
    config = read_config("utkface")
    censor = dataclasses.replace(config.censor, bottleneck="finite", levels=(4, 4, 4, 4), beta=0.0)
    return dataclasses.replace(config, censor=censor)
