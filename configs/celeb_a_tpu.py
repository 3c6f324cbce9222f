"""CelebA on a pod of accelerators: as configs/celeb_a.py, in batches of 4096 over all devices, bfloat16 inside.

    conceal train --distributed=on --config=celeb_a_tpu --config.data.path=/shared/celeba/ \
        --workdir=/shared/runs/celeb_a_tpu                    # on every host; docs/scaling.md has the launchers

Not measured yet. The batch is 16 times that of celeb_a.py, and any power of two of devices up to 256 can share it and
the censor's batch (for 512 add --config.censor.batch_size=512). So:

- The learning rate is 4 times as large, the square root of 16 (Malladi et al. 2022, arXiv 2205.10287, for Adam).
- The average of the parameters decays as much per picture: 0.999^16 = 0.984 a step (Busbridge et al. 2023, arXiv
  2307.13813).
- There are 40 epochs in place of 10, so that there are enough updates.

The censor stays as it is: it trains on codes, and its play against the adversaries needs steps, not size.
`--config.training.microbatches=4` and `--config.model.remat=True` save memory for larger pictures or networks.
"""

import dataclasses

from conceal_jax.config import Config, EvaluationConfig
from conceal_jax.config.files import read_config

SCALE = 16
"""Batches of celeb_a.py in one."""


def get_config() -> Config:
    """CelebA's, adapted to the large batch."""
    config = read_config("celeb_a")
    training = config.training
    return dataclasses.replace(
        config,
        # The default, "auto", is bfloat16 on accelerators, and lets a CPU read the run in float32.
        model=dataclasses.replace(config.model, dtype="auto"),
        training=dataclasses.replace(
            training,
            batch_size=training.batch_size * SCALE,
            steps=4 * training.steps // SCALE,
            learning_rate=training.learning_rate * SCALE**0.5,
            warmup_steps=100,
            ema_decay=training.ema_decay**SCALE,
            log_every=20,
            evaluate_every=200,
            pictures_every=400,
            checkpoint_every=200,
        ),
        evaluation=EvaluationConfig(batch_size=4096),
    )
