"""The configuration of a run: a tree of frozen dataclasses, its shrunken variant, and its validation."""

import dataclasses
from typing import Literal

from conceal_jax.attributes import AttributeSet


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """Where pictures and labels come from, and how they are prepared.

    Attributes:
        source: "synthetic", "utkface", "fairface", "celeb_a", "folder", or "tfds:NAME".
        path: the folder or zip that holds the pictures (unused by "synthetic"; the data folder for "tfds:NAME").
        labels: CSV or JSONL of labels, for "folder" (and "fairface", if not beside the pictures).
        extra: a CSV joined by file name that brings splits, duplicate or person groups, and further labels; when empty,
            PATH_extra.csv is joined if it stands beside the pictures.
        synthetic_count: faces drawn by "synthetic".
        image_size: side in pixels of the squares the model sees.
        crop: what becomes of pictures that are not square: "center" cuts the longer side, "none" squeezes it.
        flip: mirror training pictures left to right at random.
        loader: "resident" keeps the decoded set in device memory; "stream" decodes while training (tf.data).
        validation_fraction: share of the groups set aside where the source has no split of its own.
        max_bad_fraction: the run stops when a larger share of the items cannot be used.
    """

    source: str = "synthetic"
    path: str = ""
    labels: str = ""
    extra: str = ""
    synthetic_count: int = 8192
    image_size: int = 64
    crop: Literal["center", "none"] = "center"
    flip: bool = True
    loader: Literal["resident", "stream"] = "resident"
    validation_fraction: float = 0.1
    max_bad_fraction: float = 0.05


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """The variational autoencoder.

    Attributes:
        latent_dim: length L of the code.
        patch: side in pixels of the patches the encoder starts from; the finest feature map is image_size / patch.
        widths: channels of the feature maps, finest first; each is half as wide and high as the one before.
        blocks: residual blocks at each resolution, finest first.
        dtype: of activations; parameters are float32 always.
    """

    latent_dim: int = 64
    patch: int = 4
    widths: tuple[int, ...] = (64, 128, 256)
    blocks: tuple[int, ...] = (0, 1, 1)
    dtype: Literal["float32", "bfloat16"] = "float32"


@dataclasses.dataclass(frozen=True)
class ObjectiveConfig:
    """What training minimises: -log p(x|z,c) + beta * rate.

    Attributes:
        likelihood: of a pixel in [0, 1] given the decoded picture.
        scale: standard deviation ("gaussian") or diversity ("laplace") of a pixel.
        learn_scale: learn the scale, from this starting value.
        beta: weight of the rate; the starting value when a rate target is set.
        warmup_steps: beta rises linearly from 0 over so many steps.
        free_nats: rate per latent dimension that costs nothing.
        rate_target: nats; when set, beta becomes a Lagrange multiplier that holds the rate there.
        multiplier_rate: step size of that multiplier's logarithm.
    """

    likelihood: Literal["gaussian", "laplace", "bernoulli"] = "gaussian"
    scale: float = 0.1
    learn_scale: bool = False
    beta: float = 4.0
    warmup_steps: int = 0
    free_nats: float = 0.0
    rate_target: float | None = None
    multiplier_rate: float = 0.01


@dataclasses.dataclass(frozen=True)
class TrainingConfig:
    """How training proceeds.

    Attributes:
        steps: optimiser updates in all.
        batch_size: pictures a step, over all devices.
        learning_rate: peak of the schedule: linear warm-up, then a cosine to zero.
        warmup_steps, weight_decay, clip_norm: of the optimiser (AdamW; global gradient norm).
        ema_decay: of the averaged parameters that evaluation uses.
        log_every, evaluate_every, pictures_every, checkpoint_every: steps between these events.
        keep_checkpoints: how many of the newest checkpoints stay on disk.
        steps_per_call: updates in one compiled call, so that a fast device is not kept waiting (resident loader on
            accelerators; always 1 on CPU).
        mapping: "pmap", or its twin "jit" with sharded arrays.
    """

    steps: int = 2000
    batch_size: int = 128
    learning_rate: float = 2e-3
    warmup_steps: int = 100
    weight_decay: float = 1e-4
    clip_norm: float = 10.0
    ema_decay: float = 0.999
    log_every: int = 50
    evaluate_every: int = 500
    pictures_every: int = 500
    checkpoint_every: int = 500
    keep_checkpoints: int = 2
    steps_per_call: int = 10
    mapping: Literal["pmap", "jit"] = "pmap"


@dataclasses.dataclass(frozen=True)
class EvaluationConfig:
    """How much the report measures.

    Attributes:
        attack_examples: training pictures that attackers learn from, at the most.
        cnn_epochs: passes of the picture-reading CNN over them.
        quick: leave out the slower attackers on codes, and those that see repeated releases.
        batch_size: pictures encoded and decoded at once.
    """

    attack_examples: int = 20000
    cnn_epochs: int = 8
    quick: bool = False
    batch_size: int = 256


@dataclasses.dataclass(frozen=True)
class Config:
    """Everything that determines a run."""

    attributes: AttributeSet
    seed: int = 0
    data: DataConfig = DataConfig()
    model: ModelConfig = ModelConfig()
    objective: ObjectiveConfig = ObjectiveConfig()
    training: TrainingConfig = TrainingConfig()
    evaluation: EvaluationConfig = EvaluationConfig()


def shrunken(config: Config) -> Config:
    """The same run, small enough for a test: every mechanism stays switched on, sizes and step counts go down."""
    return dataclasses.replace(
        config,
        data=dataclasses.replace(config.data, image_size=32, synthetic_count=160),
        model=dataclasses.replace(config.model, latent_dim=8, widths=(8, 16), blocks=(0, 1)),
        training=dataclasses.replace(
            config.training,
            steps=4,
            batch_size=16,
            warmup_steps=1,
            log_every=2,
            evaluate_every=4,
            pictures_every=4,
            checkpoint_every=2,
            steps_per_call=min(config.training.steps_per_call, 2),
        ),
        evaluation=dataclasses.replace(config.evaluation, attack_examples=128, cnn_epochs=1, quick=True, batch_size=16),
    )


def validate(config: Config) -> Config:
    """Returns the configuration if a run can be made of it.

    Raises:
        ValueError: some value is not allowed; the message says what was got, what is allowed, what to do.
    """
    data, model, objective, training = config.data, config.model, config.objective, config.training
    shrinkage = model.patch * 2 ** (len(model.widths) - 1)
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
    for section, name, low in _LOWER_BOUNDS:
        value = getattr(getattr(config, section), name)
        require(value >= low, f"{section}.{name}={value}; it must be at least {low}")
    require(
        bool(model.widths) and min(model.widths) >= 8 and all(width % 8 == 0 for width in model.widths),
        f"model.widths={model.widths}; give one or more multiples of 8 (the normalisation works on groups of 8)",
    )
    require(
        len(model.blocks) == len(model.widths) and min(model.blocks) >= 0,
        f"model.blocks={model.blocks} with model.widths={model.widths}; give one number, 0 or more, for each width",
    )
    require(
        data.image_size % shrinkage == 0 and data.image_size // shrinkage >= 2,
        f"data.image_size={data.image_size} cannot be divided into patches of {model.patch} and halved "
        f"{len(model.widths) - 1} times with 2 or more pixels left; use fewer model.widths or a smaller model.patch",
    )
    require(objective.scale > 0, f"objective.scale={objective.scale}; it must be above 0, such as 0.1")
    require(
        not (objective.learn_scale and objective.likelihood == "bernoulli"),
        "objective.learn_scale=True with likelihood='bernoulli', which has no scale; set one of them otherwise",
    )
    require(
        objective.rate_target is None or objective.rate_target > 0,
        f"objective.rate_target={objective.rate_target}; give nats above 0, or None for a fixed beta",
    )
    require(
        objective.rate_target is None or objective.beta > 0,
        f"objective.beta={objective.beta} cannot start a multiplier; with a rate target it must be above 0",
    )
    require(0 <= training.ema_decay < 1, f"training.ema_decay={training.ema_decay}; it must lie in [0, 1)")
    return config


_LOWER_BOUNDS = (
    ("data", "synthetic_count", 8),
    ("model", "latent_dim", 1),
    ("model", "patch", 1),
    ("objective", "beta", 0),
    ("objective", "warmup_steps", 0),
    ("objective", "free_nats", 0),
    ("objective", "multiplier_rate", 0),
    ("training", "steps", 1),
    ("training", "batch_size", 1),
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
