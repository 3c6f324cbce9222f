"""The configuration of a run: a tree of frozen dataclasses, and its shrunken variant."""

import dataclasses
from typing import Literal

from conceal_jax.attributes import AttributeSet


@dataclasses.dataclass(frozen=True)
class Correlation:
    """A kept factor of the synthetic faces follows a concealed one with this probability (`data.synthetic`)."""

    kept: str
    concealed: str
    share: float


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
        correlations: of the factors of these faces; none where they are independent.
        image_size: side in pixels of the squares the model sees.
        crop: what becomes of pictures that are not square: "center" cuts the longer side, "none" squeezes it.
        flip: mirror training pictures left to right at random.
        loader: "resident" keeps the decoded set in device memory; "stream" decodes while training (tf.data).
        validation_fraction: share of the groups held out where the source has no split of its own.
        max_bad_fraction: the run stops when a larger share of the items cannot be used.
        selection: hold out a tenth of the training people to choose settings by, and leave the validation people alone,
            so that what is reported of them in the end was not chosen by them.
    """

    source: str = "synthetic"
    path: str = ""
    labels: str = ""
    extra: str = ""
    synthetic_count: int = 8192
    correlations: tuple[Correlation, ...] = ()
    image_size: int = 64
    crop: Literal["center", "none"] = "center"
    flip: bool = True
    loader: Literal["resident", "stream"] = "resident"
    validation_fraction: float = 0.1
    max_bad_fraction: float = 0.05
    selection: bool = False


@dataclasses.dataclass(frozen=True)
class CodeConfig:
    """What kind of code there is.

    Attributes:
        latent_dim: length L of the code; of a finite code, `levels` sets it instead.
        bottleneck: "gaussian", "clipped", "finite", or one that was registered (`models/bottleneck.py`).
        noise: of "clipped", the noise's standard deviation as a multiple of the radius that means are clipped to.
        levels: of "finite", how many values each dimension of the code can take.
    """

    latent_dim: int = 64
    bottleneck: str = "gaussian"
    noise: float = 1.0
    levels: tuple[int, ...] = ()


@dataclasses.dataclass(frozen=True)
class ModelConfig(CodeConfig):
    """The variational autoencoder; its code is released unless a censor follows.

    Attributes:
        network: "patch", or "convolutional": 4x4 convolutions of stride 2, one for each width.
        patch: side in pixels of the patches the encoder starts from; the finest feature map is image_size / patch.
        widths: channels of the feature maps, finest first; each is half as wide and high as the one before.
        blocks: residual blocks at each resolution, finest first. Like `patch` and `remat`, of the patch network only.
        dtype: of activations; "auto" is bfloat16 on accelerators and float32 on a CPU, where bfloat16 is slower.
            Parameters, norms, codes, losses and the optimiser are float32 always.
        remat: compute the insides of residual blocks again for the gradients, in place of keeping them: more work,
            and less memory where the compiler's schedule lets it be.
    """

    network: Literal["patch", "convolutional"] = "patch"
    patch: int = 4
    widths: tuple[int, ...] = (64, 128, 256)
    blocks: tuple[int, ...] = (0, 0, 0)
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    remat: bool = False


@dataclasses.dataclass(frozen=True)
class ObjectiveConfig:
    """What training minimises: -log p(x|z,c) + beta * rate.

    Attributes:
        likelihood: of a pixel in [0, 1] given the decoded picture.
        scale: standard deviation ("gaussian") or diversity ("laplace") of a pixel.
        beta: weight of the rate; the starting value when a rate target is set.
        warmup_steps: beta rises linearly from 0 over so many steps.
        rate_target: nats; when set, beta becomes a Lagrange multiplier that holds the rate there.
        recognition: nats for each full skill at recognising a concealed attribute in the autoencoder's codes; a censor
            takes out what is recognised; 0 leaves recognition out.
    """

    likelihood: Literal["gaussian", "laplace", "bernoulli"] = "gaussian"
    scale: float = 0.1
    beta: float = 4.0
    warmup_steps: int = 0
    rate_target: float | None = None
    recognition: float = 0.0


@dataclasses.dataclass(frozen=True)
class TrainingConfig:
    """How training proceeds.

    Attributes:
        steps: optimiser updates in all.
        batch_size: pictures a step, over all devices.
        microbatches: parts of each device's share that are computed one after the other, so that a batch may be larger
            than memory; their gradients are summed. Of the stages that read pictures; slow on CPUs.
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
    microbatches: int = 1
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
class CensorConfig(CodeConfig):
    """The censor: a small VAE on the autoencoder's codes, trained against adversaries. Its code is released.

    Attributes:
        steps: optimiser updates; 0 leaves the stage out.
        batch_size: codes a step, over all devices; every update of the adversaries takes as many others.
        learning_rate: peak of the schedule, as for the autoencoder.
        width: hidden units.
        beta, rate_target: of the released code's rate, as for the autoencoder.
        neutral: weight of the reconstruction under the neutral label, against the one under the photo's own.
        kept: nats for each full skill with which a kept attribute is read of concealed codes.
        brightness: the same for the photo's brightness.
        refit_steps: updates of the decoder alone, on pictures, once the codes are what they will be.
    """

    steps: int = 0
    batch_size: int = 512
    learning_rate: float = 1e-3
    width: int = 384
    beta: float = 1.0
    rate_target: float | None = None
    neutral: float = 0.2
    kept: float = 0.0
    brightness: float = 0.0
    refit_steps: int = 0


@dataclasses.dataclass(frozen=True)
class PenaltyConfig:
    """The price, in nats, of dependence of codes on concealed attributes; 0 switches a penalty off.

    The censor pays for what adversaries read. Where there is no censor, the autoencoder may pay for dependence in
    closed form (`losses/dependence.py`); research sweeps over these prices.

    Attributes:
        adversary: for each full skill of the adversaries, by attribute and view (codes, decoded codes, their
            colour).
        hsic: for a normalised HSIC of 1, by attribute.
        moments: for each nat of moment mismatch, by attribute.
        contrastive: for each nat of contrastive information, by attribute.
        marginal_kl: for each nat of the marginal KL.
        attribute_weights: of the concealed attributes, in their order; all 1 when empty.
    """

    adversary: float = 0.0
    hsic: float = 0.0
    moments: float = 0.0
    contrastive: float = 0.0
    marginal_kl: float = 0.0
    attribute_weights: tuple[float, ...] = ()

    @property
    def closed_forms(self) -> dict[str, float]:
        """The prices above 0 of dependence in closed form, by name."""
        names = ("hsic", "moments", "contrastive", "marginal_kl")
        return {name: price for name in names if (price := getattr(self, name))}


@dataclasses.dataclass(frozen=True)
class AdversaryConfig:
    """Adversaries: perceptrons that read codes and train along with the censor.

    Attributes:
        widths: hidden units of each member's two layers; 0 for a linear member.
        updates: of the members in each step, each on other codes.
        learning_rate: of the members (Adam).
    """

    widths: tuple[int, ...] = (0, 128, 256)
    updates: int = 2
    learning_rate: float = 1e-3


@dataclasses.dataclass(frozen=True)
class EvaluationConfig:
    """How much the report measures.

    Attributes:
        attack_examples: training pictures that attackers learn from, at the most.
        cnn_epochs: passes of the picture-reading CNN over them.
        quick: leave out the slower attackers on codes, and those that read repeated releases.
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
    censor: CensorConfig = CensorConfig()
    penalty: PenaltyConfig = PenaltyConfig()
    adversary: AdversaryConfig = AdversaryConfig()
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
        censor=dataclasses.replace(
            config.censor,
            steps=min(config.censor.steps, 4),
            batch_size=16,
            latent_dim=6,
            width=16,
            refit_steps=min(config.censor.refit_steps, 4),
        ),
        adversary=dataclasses.replace(config.adversary, widths=(0, 8)),
        evaluation=dataclasses.replace(config.evaluation, attack_examples=128, cnn_epochs=1, quick=True, batch_size=16),
    )
