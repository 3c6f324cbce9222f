"""The conceal VAE: encode, sample, decode and conceal, each callable on its own by `model.apply(..., method=...)`."""

import flax.linen as nn
import flax.struct
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from conceal_jax.config import Config
from conceal_jax.models.bottleneck import Bottleneck, BottleneckLayer, Posterior, create_bottleneck
from conceal_jax.models.censor import Censor, Recognition
from conceal_jax.models.convolutional import ConvolutionalDecoder, ConvolutionalEncoder
from conceal_jax.models.decoder import Decoder
from conceal_jax.models.encoder import Encoder
from conceal_jax.models.join_labels import join_labels


class Output(flax.struct.PyTreeNode):
    """What the objective needs of one forward pass.

    Attributes:
        posterior: of the released codes.
        rates: of each dimension, in nats.
        codes: sampled.
        logits: of the decoded pictures.
        recognised: logits of the label vector, read from the codes; None where nothing reads them.
    """

    posterior: Posterior
    rates: Float[Array, "batch latent"]
    codes: Float[Array, "batch latent"]
    logits: Float[Array, "batch height width channels"]
    recognised: Float[Array, "batch labels"] | None = None


class VAE(nn.Module):
    """A variational autoencoder whose sampled latent is joined with the labels of what must be hidden.

    Attributes:
        encoder, bottleneck, decoder: its parts; any modules that take and return what `Encoder` and `Decoder` do.
        censor: between the bottleneck and the released code; without one, the bottleneck's codes are released.
        recognition: reads labels from codes before the censor; it is trained where there is no censor yet.
    """

    encoder: nn.Module
    bottleneck: BottleneckLayer
    decoder: nn.Module
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
        return Output(posterior, rates, codes, self._logits(codes, label_vectors), recognised)

    def encode(self, images: Float[Array, "batch height width channels"]) -> Posterior:
        """q(z|x) of pictures in [0, 1]."""
        posterior = self.encode_uncensored(images)
        if self.censor is None:
            return posterior
        return self.censor.encode(posterior.mean, self.recognise(posterior.mean))

    def encode_uncensored(self, images: Float[Array, "batch height width channels"]) -> Posterior:
        """The bottleneck's own posterior of pictures in [0, 1], from which a censor makes the released code's."""
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

    def recognise(self, uncensored: Float[Array, "batch uncensored"]) -> Float[Array, "batch recognised"]:
        """The label vector predicted from uncensored codes, for the censor; empty without recognition."""
        # A slice, so that the number of pictures may be unknown, as in exported programs.
        return uncensored[:, :0] if self.recognition is None else self.recognition.probabilities(uncensored)

    def _logits(
        self, codes: Float[Array, "batch latent"], label_vectors: Float[Array, "batch labels"]
    ) -> Float[Array, "batch height width channels"]:
        uncensored = codes if self.censor is None else self.censor.decode(codes, label_vectors)
        return self.decoder(join_labels(uncensored, label_vectors))


def create_model(config: Config, *, censored: bool = True) -> VAE:
    """The model a configuration describes.

    Args:
        config: of a run.
        censored: False leaves the censor out, as the autoencoder's stage does; otherwise there is one if the
            configuration trains one.
    """
    encoder, decoder = _create_network(config)
    return VAE(
        encoder=encoder,
        bottleneck=BottleneckLayer(create_bottleneck(config.model)),
        decoder=decoder,
        censor=create_censor(config) if censored and config.censor.steps else None,
        recognition=create_recognition(config),
    )


def _create_network(config: Config) -> tuple[nn.Module, nn.Module]:
    model, dtype, size = config.model, _activation_dtype(config.model.dtype), config.data.image_size
    if model.network == "convolutional":
        return ConvolutionalEncoder(model.widths, dtype), ConvolutionalDecoder(size, model.widths, dtype)
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
    """What predicts labels from uncensored codes, if the configuration pays for it."""
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
