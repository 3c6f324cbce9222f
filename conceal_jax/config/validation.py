"""What a configuration has to fulfil before a run is made of it."""

from conceal_jax.attributes import AttributeSet
from conceal_jax.attributes.appearance import APPEARANCE
from conceal_jax.config import (
    CensorConfig,
    CodeConfig,
    Config,
    DataConfig,
    ModelConfig,
    ObjectiveConfig,
    TrainingConfig,
)

SOURCES = ("synthetic", "utkface", "fairface", "celeb_a", "folder")
WITHOUT_PATH = ("synthetic", "celeb_a")


def validate(config: Config) -> Config:
    """Returns the configuration if a run can be made of it.

    Raises:
        ValueError: some value is not allowed; the message says what was got, what is allowed, what to do.
    """
    _validate_source(config.data)
    _validate_shares(config.data)
    _validate_attributes(config.attributes)
    _validate_lower_bounds(config)
    _validate_network(config.model)
    _validate_size(config.data.image_size, config.model)
    _validate_objective(config.objective)
    _validate_training(config.training)
    _validate_code("model", config.model)
    _validate_code("censor", config.censor)
    _validate_censor(config.censor, config.model)
    _validate_closed_forms(config)
    _validate_adversaries(config)
    return config


def require(condition: bool, message: str) -> None:
    """Raises a ValueError that says what is wrong with the configuration unless the condition holds."""
    if not condition:
        raise ValueError(f"bad configuration: {message}")


def _validate_source(data: DataConfig) -> None:
    is_tfds = data.source.startswith("tfds:")
    require(
        is_tfds or data.source in SOURCES,
        f"data.source={data.source!r}; allowed are {', '.join(SOURCES)} and tfds:NAME",
    )
    require(
        is_tfds or bool(data.path) or data.source in WITHOUT_PATH,
        f"data.path is empty; data.source={data.source!r} needs the folder or zip of the pictures: "
        "--config.data.path=...",
    )
    require(
        bool(data.labels) or data.source != "folder",
        "data.labels is empty; data.source='folder' needs a CSV or JSONL of labels: --config.data.labels=...",
    )


def _validate_shares(data: DataConfig) -> None:
    require(
        0 < data.validation_fraction < 1,
        f"data.validation_fraction={data.validation_fraction}; give a share between 0 and 1, such as 0.1",
    )
    require(
        0 <= data.max_bad_fraction <= 1,
        f"data.max_bad_fraction={data.max_bad_fraction}; give a share from 0 to 1, such as 0.05",
    )


def _validate_attributes(attributes: AttributeSet) -> None:
    for spec in attributes.concealed:
        require(
            not any("," in name for name in spec.group_names),
            f"attribute {spec.name!r}: got classes {spec.group_names}; a comma separates requested attributes, as in "
            "gender=female,age=40: name classes without one",
        )
    measured = sorted({spec.name for spec in attributes.all} & {spec.name for spec in APPEARANCE})
    require(not measured, f"attributes called {', '.join(measured)}, as what is measured in pictures; rename them")


def _validate_lower_bounds(config: Config) -> None:
    for section, name, low in _LOWER_BOUNDS:
        value = getattr(getattr(config, section), name)
        require(value >= low, f"{section}.{name}={value}; it must be at least {low}")


def _validate_network(model: ModelConfig) -> None:
    require(
        bool(model.widths) and min(model.widths) >= 8 and all(width % 8 == 0 for width in model.widths),
        f"model.widths={model.widths}; give one or more multiples of 8 (the normalisation works on groups of 8)",
    )
    require(
        model.network != "patch" or (len(model.blocks) == len(model.widths) and min(model.blocks) >= 0),
        f"model.blocks={model.blocks} with model.widths={model.widths}; give one number, 0 or more, for each width",
    )


def _validate_size(size: int, model: ModelConfig) -> None:
    require(size in (32, 64, 128), f"data.image_size={size}; allowed are 32, 64 and 128 pixels")
    patch, halvings = (model.patch, len(model.widths) - 1) if model.network == "patch" else (1, len(model.widths))
    smallest, rest = divmod(size, patch * 2**halvings)
    require(
        rest == 0 and smallest >= 2,
        f"data.image_size={size} cannot be divided into patches of {patch} and halved "
        f"{halvings} times with 2 or more pixels left; use fewer model.widths or a smaller model.patch",
    )


def _validate_objective(objective: ObjectiveConfig) -> None:
    require(objective.scale > 0, f"objective.scale={objective.scale}; it must be above 0, such as 0.1")
    _validate_rate_target("objective", objective.rate_target, objective.beta)


def _validate_rate_target(section: str, rate_target: float | None, beta: float) -> None:
    require(
        rate_target is None or rate_target > 0,
        f"{section}.rate_target={rate_target}; give nats above 0, or None for a fixed beta",
    )
    require(
        rate_target is None or beta > 0,
        f"{section}.beta={beta} cannot start a multiplier; with a rate target it must be above 0",
    )


def _validate_training(training: TrainingConfig) -> None:
    require(0 <= training.ema_decay < 1, f"training.ema_decay={training.ema_decay}; it must lie in [0, 1)")


def _validate_code(section: str, code: CodeConfig) -> None:
    require(
        min(code.levels, default=2) >= 2,
        f"{section}.levels={code.levels}; give 2 or more values for each dimension of a finite code",
    )
    require(
        bool(code.levels) == (code.bottleneck == "finite") or code.bottleneck not in ("gaussian", "clipped", "finite"),
        f"{section}.levels={code.levels} with {section}.bottleneck={code.bottleneck!r}; a finite code needs both, "
        "and the others have no levels",
    )
    require(code.noise > 0, f"{section}.noise={code.noise}; it must be above 0, such as 0.5")


def _validate_censor(censor: CensorConfig, model: ModelConfig) -> None:
    _validate_rate_target("censor", censor.rate_target, censor.beta)
    require(
        model.bottleneck == "gaussian" or not censor.steps,
        f"model.bottleneck={model.bottleneck!r} with a censor, which reads the variance of Gaussian codes; set "
        "censor.bottleneck, of the code that is released, or censor.steps=0",
    )


def _validate_closed_forms(config: Config) -> None:
    charged = config.penalty.closed_forms
    names = ", ".join(f"penalty.{name}={weight}" for name, weight in charged.items())
    require(
        not (charged and config.censor.steps),
        f"{names} with a censor, which is charged for what its adversaries read; set them to 0, or train the "
        "autoencoder alone with censor.steps=0",
    )
    require(
        not (charged and config.training.microbatches > 1),
        f"{names} with training.microbatches={config.training.microbatches}; closed-form penalties need the whole "
        "batch at once: set training.microbatches=1",
    )


def _validate_adversaries(config: Config) -> None:
    weights, concealed = config.penalty.attribute_weights, len(config.attributes.concealed)
    require(
        len(weights) in (0, concealed) and min(weights, default=0) >= 0,
        f"penalty.attribute_weights={weights}; give one, 0 or more, for each of the {concealed} concealed attributes, "
        "or none",
    )
    require(
        bool(config.adversary.widths) and min(config.adversary.widths) >= 0,
        f"adversary.widths={config.adversary.widths}; give one or more, 0 for a linear member",
    )


_LOWER_BOUNDS = (
    ("data", "synthetic_count", 8),
    ("model", "latent_dim", 1),
    ("model", "patch", 1),
    ("objective", "beta", 0),
    ("objective", "warmup_steps", 0),
    ("objective", "recognition", 0),
    ("censor", "steps", 0),
    ("censor", "batch_size", 1),
    ("censor", "learning_rate", 0),
    ("censor", "latent_dim", 1),
    ("censor", "width", 1),
    ("censor", "beta", 0),
    ("censor", "neutral", 0),
    ("censor", "kept", 0),
    ("censor", "brightness", 0),
    ("censor", "refit_steps", 0),
    ("penalty", "adversary", 0),
    ("penalty", "hsic", 0),
    ("penalty", "moments", 0),
    ("penalty", "contrastive", 0),
    ("penalty", "marginal_kl", 0),
    ("adversary", "updates", 1),
    ("adversary", "learning_rate", 0),
    ("training", "steps", 1),
    ("training", "batch_size", 1),
    ("training", "microbatches", 1),
    ("training", "learning_rate", 0),
    ("training", "warmup_steps", 0),
    ("training", "weight_decay", 0),
    ("training", "clip_norm", 0),
    ("training", "log_every", 1),
    ("training", "evaluate_every", 1),
    ("training", "pictures_every", 1),
    ("training", "checkpoint_every", 1),
    ("training", "keep_checkpoints", 1),
    ("training", "steps_per_call", 1),
    ("evaluation", "attack_examples", 1),
    ("evaluation", "cnn_epochs", 1),
    ("evaluation", "batch_size", 1),
)
"""Smallest allowed value of fields by section and name."""
