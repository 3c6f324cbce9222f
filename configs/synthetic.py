"""The demo's faces by the ten thousand, concealed to two points above chance: all of them know no more than that.

    python train.py --config=configs/synthetic.py --workdir=runs/synthetic
    python evaluate.py --workdir=runs/synthetic

Factors are independent, so that whatever a code tells of them is the model's doing. A fifth of the people is set aside
to be judged on: with fewer, the luck of the best of a dozen attackers is as large as what there is to find.
Time and expected result: docs/results.md.
"""

import dataclasses
import runpy
from pathlib import Path

from conceal_jax.config import Config


def get_config() -> Config:
    """The configuration of the demo, with what was learned on UTKFace: recognition, fewer numbers, a quicker censor."""
    config: Config = runpy.run_path(str(Path(__file__).with_name("demo.py")))["get_config"]()
    return dataclasses.replace(
        config,
        data=dataclasses.replace(config.data, synthetic_count=40000, validation_fraction=0.2),
        model=dataclasses.replace(config.model, latent_dim=96),
        objective=dataclasses.replace(config.objective, recognition=100.0),
        censor=dataclasses.replace(config.censor, steps=4000, learning_rate=4e-3, latent_dim=24, refit_steps=1500),
        penalty=dataclasses.replace(config.penalty, adversary=28000.0, attribute_weights=(0.8, 1.3, 1.9)),
    )
