"""The configuration of a run: its schema, its files, and what it has to fulfil."""

from conceal_jax.config.schema import (
    AdversaryConfig,
    CensorConfig,
    CodeConfig,
    Config,
    Correlation,
    DataConfig,
    EvaluationConfig,
    ModelConfig,
    ObjectiveConfig,
    PenaltyConfig,
    TrainingConfig,
    shrunken,
)

__all__ = [
    "AdversaryConfig",
    "CensorConfig",
    "CodeConfig",
    "Config",
    "Correlation",
    "DataConfig",
    "EvaluationConfig",
    "ModelConfig",
    "ObjectiveConfig",
    "PenaltyConfig",
    "TrainingConfig",
    "shrunken",
]
