"""What a configuration has to fulfil before a run is made of it."""

from conceal_jax.attributes.appearance import APPEARANCE
from conceal_jax.config import CensorConfig, CodeConfig, Config, ModelConfig, PenaltyConfig


def validate(config: Config) -> Config:
    """Returns the configuration if a run can be made of it.

    Raises:
        ValueError: some value is not allowed; the message says what was got, what is allowed, what to do.
    """
    data, model, objective, training = config.data, config.model, config.objective, config.training
    finest, halvings = (model.patch, len(model.widths) - 1) if model.network == "patch" else (1, len(model.widths))
    shrinkage = finest * 2**halvings
    known = ("synthetic", "utkface", "fairface", "celeb_a", "folder")
    require(
        data.source in known or data.source.startswith("tfds:"),
        f"data.source={data.source!r}; allowed are {', '.join(known)} and tfds:NAME",
    )
    require(
        bool(data.path) or data.source in ("synthetic", "celeb_a") or data.source.startswith("tfds:"),
        f"data.path is empty; data.source={data.source!r} needs the folder or zip of the pictures: "
        "--config.data.path=...",
    )
    require(
        bool(data.labels) or data.source != "folder",
        "data.labels is empty; data.source='folder' needs a CSV or JSONL of labels: --config.data.labels=...",
    )
    require(
        data.image_size in (32, 64, 128),
        f"data.image_size={data.image_size}; allowed are 32, 64 and 128 pixels",
    )
    require(
        0 < data.validation_fraction < 1,
        f"data.validation_fraction={data.validation_fraction}; give a share between 0 and 1, such as 0.1",
    )
    require(
        0 <= data.max_bad_fraction <= 1,
        f"data.max_bad_fraction={data.max_bad_fraction}; give a share from 0 to 1, such as 0.05",
    )
    for spec in config.attributes.concealed:
        require(
            not any("," in name for name in spec.group_names),
            f"attribute {spec.name!r}: got classes {spec.group_names}; a comma stands between requests, as in "
            "gender=female,age=40: name classes without one",
        )
    measured = sorted({spec.name for spec in config.attributes.all} & {spec.name for spec in APPEARANCE})
    require(not measured, f"attributes called {', '.join(measured)}, as what is measured in pictures; rename them")
    for section, name, low in _LOWER_BOUNDS:
        value = getattr(getattr(config, section), name)
        require(value >= low, f"{section}.{name}={value}; it must be at least {low}")
    require(
        bool(model.widths) and min(model.widths) >= 8 and all(width % 8 == 0 for width in model.widths),
        f"model.widths={model.widths}; give one or more multiples of 8 (the normalisation works on groups of 8)",
    )
    require(
        model.network == "convolutional" or (len(model.blocks) == len(model.widths) and min(model.blocks) >= 0),
        f"model.blocks={model.blocks} with model.widths={model.widths}; give one number, 0 or more, for each width",
    )
    require(
        data.image_size % shrinkage == 0 and data.image_size // shrinkage >= 2,
        f"data.image_size={data.image_size} cannot be divided into patches of {finest} and halved "
        f"{halvings} times with 2 or more pixels left; use fewer model.widths or a smaller model.patch",
    )
    require(objective.scale > 0, f"objective.scale={objective.scale}; it must be above 0, such as 0.1")
    require(
        objective.rate_target is None or objective.rate_target > 0,
        f"objective.rate_target={objective.rate_target}; give nats above 0, or None for a fixed beta",
    )
    require(
        objective.rate_target is None or objective.beta > 0,
        f"objective.beta={objective.beta} cannot start a multiplier; with a rate target it must be above 0",
    )
    require(0 <= training.ema_decay < 1, f"training.ema_decay={training.ema_decay}; it must lie in [0, 1)")
    _validate_code("model", model)
    _validate_code("censor", config.censor)
    _validate_censor(config.censor, model)
    _validate_penalty(config.penalty, config)
    return config


def _validate_code(section: str, code: CodeConfig) -> None:
    require(
        min(code.levels, default=2) >= 2,
        f"{section}.levels={code.levels}; give 2 or more values for each number of a finite code",
    )
    require(
        bool(code.levels) == (code.bottleneck == "finite") or code.bottleneck not in ("gaussian", "clipped", "finite"),
        f"{section}.levels={code.levels} with {section}.bottleneck={code.bottleneck!r}; a finite code needs both, "
        "and the others have no levels",
    )
    require(code.noise > 0, f"{section}.noise={code.noise}; it must be above 0, such as 0.5")


def _validate_censor(censor: CensorConfig, model: ModelConfig) -> None:
    require(
        censor.rate_target is None or (censor.rate_target > 0 and censor.beta > 0),
        f"censor.rate_target={censor.rate_target} with censor.beta={censor.beta}; both must be above 0",
    )
    require(
        model.bottleneck == "gaussian" or not censor.steps,
        f"model.bottleneck={model.bottleneck!r} with a censor, which reads the variance of Gaussian codes; set "
        "censor.bottleneck, of the code that is released, or censor.steps=0",
    )


def _validate_penalty(penalty: PenaltyConfig, config: Config) -> None:
    concealed = len(config.attributes.concealed)
    require(
        len(penalty.attribute_weights) in (0, concealed) and min(penalty.attribute_weights, default=0) >= 0,
        f"penalty.attribute_weights={penalty.attribute_weights}; give one, 0 or more, for each of the {concealed} "
        "concealed attributes, or none",
    )
    require(
        penalty.target is None or (penalty.target > 0 and penalty.adversary > 0),
        f"penalty.target={penalty.target} with penalty.adversary={penalty.adversary}; the target is a skill of the "
        "adversaries above 0, and needs them",
    )
    require(
        bool(config.adversary.widths) and min(config.adversary.widths) >= 0,
        f"adversary.widths={config.adversary.widths}; give one or more, 0 for a linear member",
    )
    closed_forms = any((penalty.hsic, penalty.moments, penalty.contrastive, penalty.marginal_kl))
    require(
        config.training.microbatches == 1 or bool(config.censor.steps) or not closed_forms,
        f"training.microbatches={config.training.microbatches} with penalties on the codes of pictures, which look at "
        "a whole batch at once; set it to 1, or leave the penalties to a censor",
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
    ("penalty", "warmup_steps", 0),
    ("adversary", "updates", 1),
    ("adversary", "learning_rate", 0),
    ("adversary", "restart_every", 0),
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


def require(condition: bool, message: str) -> None:
    """Raises a ValueError that says what is wrong with the configuration unless the condition holds."""
    if not condition:
        raise ValueError(f"bad configuration: {message}")
