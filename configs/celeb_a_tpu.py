"""CelebA on a pod of accelerators: as `configs/celeb_a.py`, in batches of 4096 over all devices, bfloat16 inside.

    python train.py --distributed=on --config=configs/celeb_a_tpu.py --config.data.path=/shared/celeba/ \
        --workdir=/shared/runs/celeb_a_tpu                    # on every host; docs/scaling.md has the launchers

The batch is 16 times that of `celeb_a.py`, and can be shared by any power of two of devices up to 256, the
censor's batch (for 512 add --config.censor.batch_size=512). What follows:

- The learning rate is multiplied by 4, the square root of 16: Adam divides a gradient by its size, so that in a batch k
  times as large its noise falls by sqrt(k), and so many times larger steps leave the noise of the path what it was
  (Malladi et al. 2022, arXiv 2205.10287; for SGD it would be k).
- The average of the parameters forgets 16 times as much a step, 0.999^16 = 0.984, to cover as many pictures (Busbridge
  et al. 2023, arXiv 2307.13813).
- Fewer updates see as many pictures: 40 epochs in place of 10, so that there are enough of them.

The censor is left as it is: its batches are of codes, and its play against the adversaries needs steps, not size.

Larger pictures or networks: `--config.training.microbatches=4` and `--config.model.remat=True` take less memory.
Time and expected result: not measured. The censor's settings are those of
`configs/celeb_a.py`.
"""

import dataclasses

from conceal_jax.config import Config, EvaluationConfig
from conceal_jax.config.files import read_config

SCALE = 16
"""How many batches of `celeb_a.py` are in one."""


def get_config() -> Config:
    """The configuration beside this one, with what a large batch asks for."""
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
