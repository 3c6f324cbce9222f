"""The conceal VAE: encode, sample, decode and conceal, each callable on its own by `model.apply(..., method=...)`."""

import flax.linen as nn
import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from conceal_jax.config import Config
from conceal_jax.models.bottleneck import Bottleneck, BottleneckLayer, Posterior, create_bottleneck
from conceal_jax.models.censor import Censor, Recognition
from conceal_jax.models.classical import ClassicalDecoder, ClassicalEncoder
from conceal_jax.models.decoder import Decoder
from conceal_jax.models.encoder import Encoder


class Output(flax.struct.PyTreeNode):
    """What the objective needs of one forward pass.

    Attributes:
        posterior: of the released codes.
        rates: of each of their numbers, in nats.
        codes: sampled.
        logits: of the decoded pictures.
        log_scale: of a pixel's likelihood.
        recognised: logits of the label vector, read from the codes; None where nothing reads them.
    """

    posterior: Posterior
    rates: Float[Array, "batch latent"]
    codes: Float[Array, "batch latent"]
    logits: Float[Array, "batch height width channels"]
    log_scale: Float[Array, ""]
    recognised: Float[Array, "batch labels"] | None = None


class VAE(nn.Module):
    """A variational autoencoder whose sampled latent is joined with the labels of what must be hidden.

    Attributes:
        encoder, bottleneck, decoder: its parts; any modules that take and return what `Encoder` and `Decoder` do.
        scale: of a pixel's likelihood; the starting value when learned.
        learn_scale: whether the logarithm of the scale is a parameter.
        censor: between the bottleneck and the released code; without one, the bottleneck's codes are released.
        recognition: reads labels from codes before the censor; it is trained where there is no censor yet.
    """

    encoder: nn.Module
    bottleneck: BottleneckLayer
    decoder: nn.Module
    scale: float = 0.1
    learn_scale: bool = False
    censor: Censor | None = None
    recognition: Recognition | None = None

    @property
    def released(self) -> Bottleneck:
        """Of the code that is released."""
        return (self.censor or self).bottleneck.code

    @property
    def latent_dim(self) -> int:
        """Length of a released code."""
        return self.released.latent_dim

    def setup(self) -> None:
        start = float(np.log(self.scale))
        self.log_scale = (
            self.param("log_scale", nn.initializers.constant(start), ()) if self.learn_scale else jnp.float32(start)
        )

    def __call__(
        self,
        images: Float[Array, "batch height width channels"],
        label_vectors: Float[Array, "batch labels"],
        noise: Float[Array, "batch latent"],
    ) -> Output:
        """Encodes pictures in [0, 1], samples their codes and decodes them under the labels."""
        posterior = self.encode(images)
        codes = self.sample(posterior, noise)
        rates = self.released.rate(posterior)
        recognised = None if self.recognition is None or self.censor is not None else self.recognition(codes)
        return Output(posterior, rates, codes, self._logits(codes, label_vectors), self.log_scale, recognised)

    def encode(self, images: Float[Array, "batch height width channels"]) -> Posterior:
        """q(z|x) of pictures in [0, 1]."""
        first = self.encode_first(images)
        return first if self.censor is None else self.censor.encode(first.mean, self.recognise(first.mean))

    def encode_first(self, images: Float[Array, "batch height width channels"]) -> Posterior:
        """What the censor's codes are made from: the bottleneck's own posterior of pictures in [0, 1]."""
        return self.bottleneck.posterior(self.encoder(images))

    def sample(self, posterior: Posterior, noise: Float[Array, "batch latent"]) -> Float[Array, "batch latent"]:
        """Codes drawn from posteriors with noise from N(0, I)."""
        return self.released.sample(posterior, noise)

    def decode(
        self, codes: Float[Array, "batch latent"], label_vectors: Float[Array, "batch labels"]
    ) -> Float[Array, "batch height width channels"]:
        """Pictures in [0, 1] of codes under label vectors."""
        return jax.nn.sigmoid(self._logits(codes, label_vectors))

    def conceal(
        self,
        images: Float[Array, "batch height width channels"],
        label_vectors: Float[Array, "batch labels"],
        noise: Float[Array, "batch latent"],
    ) -> Float[Array, "batch height width channels"]:
        """Pictures in [0, 1] that show the given pictures under other, for example neutral, labels."""
        return self.decode(self.sample(self.encode(images), noise), label_vectors)

    def recognise(self, first: Float[Array, "batch first"]) -> Float[Array, "batch recognised"]:
        """The label vector that first codes let expect, for the censor; empty where nothing recognises it."""
        # A slice, so that the number of pictures may be unknown, as in exported programs.
        return first[:, :0] if self.recognition is None else self.recognition.probabilities(first)

    def _logits(
        self, codes: Float[Array, "batch latent"], label_vectors: Float[Array, "batch labels"]
    ) -> Float[Array, "batch height width channels"]:
        first = codes if self.censor is None else self.censor.decode(codes, label_vectors)
        return self.decoder(self.bottleneck.join(first, label_vectors))


def create_model(config: Config, *, censored: bool = True) -> VAE:
    """The model a configuration describes.

    Args:
        config: of a run.
        censored: False leaves the censor out, as the first stage of training does; otherwise there is one if the
            configuration trains one.
    """
    encoder, decoder = _create_network(config)
    return VAE(
        encoder=encoder,
        bottleneck=BottleneckLayer(create_bottleneck(config.model)),
        decoder=decoder,
        scale=config.objective.scale,
        learn_scale=config.objective.learn_scale,
        censor=create_censor(config) if censored and config.censor.steps else None,
        recognition=create_recognition(config),
    )


def _create_network(config: Config) -> tuple[nn.Module, nn.Module]:
    model, dtype, size = config.model, _activation_dtype(config.model.dtype), config.data.image_size
    if model.network == "classical":
        return ClassicalEncoder(model.widths, dtype), ClassicalDecoder(size, model.widths, dtype)
    settings = (model.patch, model.widths, model.blocks, dtype, model.remat)
    return Encoder(*settings), Decoder(size, *settings)


def _activation_dtype(name: str) -> jnp.dtype:
    if name == "auto":
        name = "float32" if jax.default_backend() == "cpu" else "bfloat16"
    return jnp.dtype(name)


def create_censor(config: Config) -> Censor:
    """The censor a configuration describes."""
    bottleneck = BottleneckLayer(create_bottleneck(config.censor))
    return Censor(bottleneck, config.censor.width, config.model.latent_dim)


def create_recognition(config: Config) -> Recognition | None:
    """What recognises labels in first codes, if the configuration pays for it."""
    if not config.objective.recognition:
        return None
    return Recognition(tuple(spec.width for spec in config.attributes.concealed))


def init_params(model: VAE, config: Config, key: PRNGKeyArray) -> PyTree:
    """Fresh float32 parameters."""
    size = config.data.image_size
    images = jnp.zeros((1, size, size, 3))
    labels = jnp.zeros((1, config.attributes.width))
    noise = jnp.zeros((1, model.latent_dim))
    return jax.jit(model.init)(key, images, labels, noise)["params"]
