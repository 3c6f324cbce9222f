"""An encoder censored by an adversary that it fools, and what fresh attackers read from its codes.

    python -m benchmarks.censored_codes --weights 0 .15 --seeds 0 1 2

The classic failure of adversarial censoring: the adversary trained along with the encoder ends at chance, because the
encoder moves the attribute to where that adversary does not look, and not because the attribute is gone. The people
are synthetic: 32 numbers in which an attribute and eight other factors are mixed by a random nonlinear map.
"""

import argparse
import dataclasses
from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int, PyTree

from conceal_jax.audit.attackers.attacker import Attacker
from conceal_jax.audit.attackers.suite import full_suite
from conceal_jax.audit.examples import Examples
from conceal_jax.audit.protocol import attack
from conceal_jax.audit.reading import Reading
from conceal_jax.audit.targets import Target

PEOPLE = 20_000
HELD_OUT = 4_000
FACTORS = 8
OBSERVED = 32
CODE = 16
STEPS = 100
"""Of training, in a round."""
ROUNDS = 30
LEAST_ROUNDS = 10
FOOLED = 0.01
"""An adversary that is no further from chance than this on the people it learned from is fooled."""


@dataclasses.dataclass(frozen=True)
class Censored:
    """Codes of people, the first of whom trained the encoder and its adversary.

    Attributes:
        codes: float32 [N, L].
        labels: int32 [N], the attribute, 0 or 1.
        adversary_accuracy: balanced accuracy of the encoder's own adversary on the last `HELD_OUT` people.
        unexplained: share of the variance of their observations that the decoder misses.
    """

    codes: np.ndarray
    labels: np.ndarray
    adversary_accuracy: float
    unexplained: float


class Mlp(nn.Module):
    """A perceptron with two hidden layers."""

    width: int
    outputs: int

    @nn.compact
    def __call__(self, inputs: Float[Array, "batch features"]) -> Float[Array, "batch outputs"]:
        hidden = nn.silu(nn.Dense(self.width)(inputs))
        hidden = nn.silu(nn.Dense(self.width)(hidden))
        return nn.Dense(self.outputs)(hidden)


ENCODER, DECODER, ADVERSARY = Mlp(128, CODE), Mlp(128, OBSERVED), Mlp(32, 1)
ADAM = optax.adam(1e-3)


@jax.jit
def people(seed: int) -> tuple[Float[Array, "people observed"], Int[Array, " people"]]:
    """What is observed of people, standardised, and their attribute."""
    factors_key, label_key, first_key, second_key, noise_key = jax.random.split(jax.random.key(seed), 5)
    labels = jax.random.bernoulli(label_key, 0.5, (PEOPLE,)).astype(jnp.int32)
    factors = jax.random.normal(factors_key, (PEOPLE, FACTORS))
    causes = jnp.concatenate([factors, 2.0 * labels[:, None] - 1], axis=1)
    hidden = jnp.tanh(causes @ jax.random.normal(first_key, (FACTORS + 1, 64)) / 2)
    clean = hidden @ jax.random.normal(second_key, (64, OBSERVED))
    observed = clean + 0.3 * jax.random.normal(noise_key, clean.shape)
    return (observed - observed.mean(axis=0)) / observed.std(axis=0), labels


def train(weight: float, seed: int = 0) -> Censored:
    """Trains an autoencoder whose decoder is given the attribute, until its adversary is fooled.

    Args:
        weight: of the adversary's loss, which the encoder maximises; 0 censors nothing, and fools nobody.
        seed: of the people, the networks and the batches.
    """
    observed, labels = people(seed)
    seen = observed[:-HELD_OUT], labels[:-HELD_OUT]
    params, states = _init(seed)
    for number in range(ROUNDS if weight else LEAST_ROUNDS):
        key = jax.random.fold_in(jax.random.key(seed + 1), number)
        params, states = _learn(params, states, *seen, float(weight), key)
        reading = _adversary_accuracy(params, *seen)
        if number + 1 >= LEAST_ROUNDS and abs(reading - 0.5) < FOOLED:
            break
    unseen = params, observed[-HELD_OUT:], labels[-HELD_OUT:]
    codes = jax.jit(ENCODER.apply)(params["encoder"], observed)
    accuracy, unexplained = float(_adversary_accuracy(*unseen)), float(_reconstruction(*unseen))
    return Censored(np.asarray(codes), np.asarray(labels), accuracy, unexplained)


def read(result: Censored, attackers: Sequence[Attacker]) -> Reading:
    """What fresh attackers read from the codes of the people held out, having learned from the others'."""
    everyone = Examples(result.codes, {"attribute": Target(result.labels, 2)})
    indices = np.arange(len(everyone))
    return attack(everyone.take(indices[:-HELD_OUT]), everyone.take(indices[-HELD_OUT:]), attackers)["attribute"]


@jax.jit
def _init(seed: int) -> tuple[PyTree, PyTree]:
    keys = jax.random.split(jax.random.key(seed), 3)
    params = {
        "encoder": ENCODER.init(keys[0], jnp.zeros((1, OBSERVED))),
        "decoder": DECODER.init(keys[1], jnp.zeros((1, CODE + 1))),
        "adversary": ADVERSARY.init(keys[2], jnp.zeros((1, CODE))),
    }
    return params, {"both": ADAM.init(_coder(params)), "adversary": ADAM.init(params["adversary"])}


@jax.jit
def _adversary_accuracy(params: PyTree, observed: Array, labels: Array) -> Array:
    """Balanced accuracy."""
    logits: Any = ADVERSARY.apply(params["adversary"], ENCODER.apply(params["encoder"], observed))
    right = (logits[:, 0] > 0) == labels
    recalls = [jnp.mean(right, where=labels == label) for label in (0, 1)]
    return (recalls[0] + recalls[1]) / 2


def _coder(params: PyTree) -> PyTree:
    return {name: params[name] for name in ("encoder", "decoder")}


@jax.jit
def _reconstruction(params: PyTree, observed: Array, labels: Array) -> Array:
    codes: Any = ENCODER.apply(params["encoder"], observed)
    rebuilt: Any = DECODER.apply(params["decoder"], jnp.concatenate([codes, labels[:, None]], axis=1))
    return jnp.mean(jnp.square(rebuilt - observed))


def _adversary_loss(adversary: PyTree, encoder: PyTree, observed: Array, labels: Array) -> Array:
    logits: Any = ADVERSARY.apply(adversary, ENCODER.apply(encoder, observed))
    return optax.sigmoid_binary_cross_entropy(logits[:, 0], labels).mean()


@jax.jit
def _learn(
    params: PyTree, states: PyTree, observed: Array, labels: Array, weight: float, key: Array
) -> tuple[PyTree, PyTree]:
    """A round: alternates an update of the adversary with one of encoder and decoder."""

    def coder_loss(coder: PyTree, adversary: PyTree, batch: tuple[Array, Array]) -> Array:
        return _reconstruction(coder, *batch) - weight * _adversary_loss(adversary, coder["encoder"], *batch)

    def step(carry: tuple[PyTree, PyTree], key: Array) -> tuple[tuple[PyTree, PyTree], None]:
        params, states = carry
        chosen = jax.random.randint(key, (256,), 0, len(observed))
        batch = observed[chosen], labels[chosen]
        gradients = jax.grad(_adversary_loss)(params["adversary"], params["encoder"], *batch)
        updates, adversary_state = ADAM.update(gradients, states["adversary"])
        adversary = optax.apply_updates(params["adversary"], updates)
        gradients = jax.grad(coder_loss)(_coder(params), adversary, batch)
        updates, coder_state = ADAM.update(gradients, states["both"])
        coder = optax.apply_updates(_coder(params), updates)
        return ({**coder, "adversary": adversary}, {"both": coder_state, "adversary": adversary_state}), None

    return jax.lax.scan(step, (params, states), jax.random.split(key, STEPS))[0]


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=float, nargs="+", default=[0, 0.15], help="of the adversary's loss")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    arguments = parser.parse_args()
    print(f"{'weight':>6} {'seed':>4} {'own adversary':>13} {'fresh attackers':>15} {'best':12} {'unexplained':>11}")
    for weight in arguments.weights:
        for seed in arguments.seeds:
            result = train(weight, seed)
            best = read(result, full_suite(seed, white_box=False)).best
            print(
                f"{weight:6g} {seed:4d} {result.adversary_accuracy:13.3f} {best.decisive.value:15.3f} "
                f"{best.attacker:12} {result.unexplained:11.3f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
