"""The attributes of a collection, and the label vectors that the decoder takes: true, neutral and requested ones.

Labels travel as one array per attribute: int32 class indices for categorical attributes, with `MISSING_CLASS` (-1)
where the label is unknown, and float32 values for continuous ones, with NaN where unknown. The label vector c of the
decoder is the concatenation, in declaration order, of each concealed attribute's encoding.
"""

import dataclasses
import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from conceal_jax.attributes.spec import AGE_GROUPS, MISSING_CLASS, Attribute, Categorical, Continuous, LabelArray
from conceal_jax.runtime import atomic
from conceal_jax.version import __version__

__all__ = ["AGE_GROUPS", "MISSING_CLASS", "Attribute", "AttributeSet", "Categorical", "Continuous", "LabelArray"]


@dataclasses.dataclass(frozen=True)
class AttributeSet:
    """The concealed and the kept attributes of a collection."""

    concealed: tuple[Attribute, ...]
    kept: tuple[Attribute, ...] = ()

    def __post_init__(self) -> None:
        names = [attribute.name for attribute in self.all]
        if not self.concealed:
            raise ValueError("got no concealed attribute; declare at least one")
        if len(set(names)) != len(names):
            raise ValueError(f"got attribute names {names}; each name may be declared once")
        needless = [attribute.name for attribute in self.concealed if attribute.optional]
        if needless:
            raise ValueError(f"concealed attributes {needless} are optional; only kept ones may be")

    @property
    def all(self) -> tuple[Attribute, ...]:
        """Concealed attributes first, then the kept ones."""
        return (*self.concealed, *self.kept)

    @property
    def width(self) -> int:
        """Length of the label vector c."""
        return sum(attribute.width for attribute in self.concealed)

    def encode(self, labels: Mapping[str, LabelArray]) -> Float[Array, "batch width"]:
        """The label vectors c of a batch of labels; a missing label becomes its attribute's neutral vector."""
        return jnp.concatenate([spec.encode(labels[spec.name]) for spec in self.concealed], axis=1)

    def neutral_vector(self) -> np.ndarray:
        """float32 [width]: the label vector that does not depend on the photo."""
        return np.concatenate([spec.neutral_vector() for spec in self.concealed])

    def parse(self, text: str) -> np.ndarray:
        """The label vector of a request such as "gender=female,age=40"; what is not requested stays neutral.

        Args:
            text: comma-separated `name=value` pairs, or "neutral" (or nothing) for the neutral vector.

        Returns:
            float32 [width].

        Raises:
            ValueError: a pair is malformed, names no concealed attribute or one twice, or requests a value that the
                attribute does not have.
        """
        requests = self._requests("" if text.strip().casefold() == "neutral" else text)
        labels: dict[str, LabelArray] = {
            spec.name: np.full(1, requests.get(spec.name, spec.missing), spec.dtype) for spec in self.concealed
        }
        return np.asarray(self.encode(labels)[0])

    def _requests(self, text: str) -> dict[str, Any]:
        specs = {spec.name: spec for spec in self.concealed}
        requests: dict[str, Any] = {}
        for pair in filter(None, (part.strip() for part in text.split(","))):
            name, equals, value = (part.strip() for part in pair.partition("="))
            if not equals:
                raise ValueError(f"got {pair!r}; write name=value, for example {self.concealed[0].name}=...")
            if name not in specs:
                raise ValueError(f"unknown attribute {name!r}; the concealed ones are {', '.join(specs)}")
            if name in requests:
                raise ValueError(f"{name} is requested twice in {text!r}; request it once")
            requests[name] = specs[name].parse(value)
        return requests

    def available(self, names: Collection[str]) -> "AttributeSet":
        """This set without the kept attributes that are not among `names`."""
        return dataclasses.replace(self, kept=tuple(spec for spec in self.kept if spec.name in names))

    def with_neutral(self, labels: Mapping[str, np.ndarray]) -> "AttributeSet":
        """This set with every concealed attribute's neutral vector set to its marginal over known labels [N].

        Raises:
            ValueError: no example has a label for one of the attributes.
        """
        return dataclasses.replace(
            self, concealed=tuple(_with_marginal(spec, labels[spec.name]) for spec in self.concealed)
        )

    def to_json(self) -> str:
        """Text that `from_json` reads back; says which version wrote it."""
        tree = {"version": __version__, **to_tree(self)}
        return json.dumps(tree, indent=2)

    @classmethod
    def from_json(cls, text: str) -> "AttributeSet":
        """Reads what `to_json` wrote.

        Raises:
            ValueError: the text is not of that form.
        """
        try:
            tree = json.loads(text)
            return cls(*(tuple(attribute_from_tree(spec) for spec in tree[part]) for part in ("concealed", "kept")))
        except (json.JSONDecodeError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
            raise ValueError(f"not an attribute file of conceal_jax: {error!r}; train the run again") from error

    def save(self, path: Path) -> None:
        """Writes the set as JSON."""
        atomic.write_text(path, self.to_json())

    @classmethod
    def load(cls, path: Path) -> "AttributeSet":
        """Reads a set written by `save`.

        Raises:
            ValueError: there is no such file, or it is not of that form.
        """
        if not path.is_file():
            raise ValueError(f"no {path.name} in {path.parent}; give a run directory that `conceal train` wrote")
        return cls.from_json(path.read_text(encoding="utf-8"))


def to_tree(attributes: AttributeSet) -> dict[str, list[dict[str, Any]]]:
    """A JSON-ready tree; each attribute carries its kind."""
    return {
        part: [{"kind": type(spec).__name__.lower(), **dataclasses.asdict(spec)} for spec in getattr(attributes, part)]
        for part in ("concealed", "kept")
    }


def attribute_from_tree(tree: Mapping[str, Any]) -> Attribute:
    """The attribute that `to_tree` wrote."""
    kinds: dict[str, type[Any]] = {"categorical": Categorical, "continuous": Continuous}
    fields = {key: tuple(value) if isinstance(value, list) else value for key, value in tree.items() if key != "kind"}
    return kinds[tree["kind"]](**fields)


def _with_marginal(spec: Attribute, values: np.ndarray) -> Attribute:
    known = np.asarray(values)[~spec.is_missing(values)]
    if not len(known):
        raise ValueError(
            f"no example has a label for {spec.name!r}; check its column in the label file, or do not conceal it"
        )
    # As one program: operation by operation, compiling them is a tenth of a run's start.
    marginal = np.asarray(jax.jit(spec.encode)(known), np.float64).mean(axis=0)
    return dataclasses.replace(spec, neutral=tuple(marginal.tolist()))
