"""The stages that train a run: which there are, where they keep their files, and how many steps they take."""

from typing import Literal, NamedTuple

from conceal_jax.config import Config

StageName = Literal["autoencoder", "censor", "refit"]


class PlannedStage(NamedTuple):
    """One stage of a run.

    Attributes:
        name: "autoencoder" trains the VAE on pictures, "censor" the censor on its codes, "refit" the decoders on
            pictures of codes that no longer change.
        folder: in the run directory; of its checkpoints, metrics and pictures.
        steps: optimiser updates.
    """

    name: StageName
    folder: str
    steps: int


def planned_stages(config: Config) -> tuple[PlannedStage, ...]:
    """The stages of a run, in their order."""
    stages = [PlannedStage("autoencoder", "", config.training.steps)]
    if config.censor.steps:
        stages.append(PlannedStage("censor", "censor", config.censor.steps))
    if config.censor.steps and config.censor.refit_steps:
        stages.append(PlannedStage("refit", "refit", config.censor.refit_steps))
    return tuple(stages)
