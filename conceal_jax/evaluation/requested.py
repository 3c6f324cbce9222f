"""Whether pictures show the attributes that were requested."""

import numpy as np

from conceal_jax.attributes import AttributeSet
from conceal_jax.audit.attackers.cnn import CNNAttacker
from conceal_jax.audit.protocol import requested
from conceal_jax.audit.reading import Reading
from conceal_jax.audit.release import Release
from conceal_jax.release.encode import decode_codes
from conceal_jax.runs.trained import Run


def read_requested(run: Run, reader: CNNAttacker | None, test: Release) -> dict[str, Reading]:
    """How well a reader of originals agrees with labels requested at random."""
    assert reader is not None
    labels = _draw_requests(test, run.attributes, run.config.seed)
    vectors = np.asarray(run.attributes.encode(labels))
    pictures = decode_codes(run.model, run.params, test.inputs("codes"), vectors)
    return requested(reader, pictures, labels, run.attributes)


def _draw_requests(people: Release, attributes: AttributeSet, seed: int) -> dict[str, np.ndarray]:
    """Each attribute's known labels, dealt out at random and so independent of the photos; none missing."""
    generator = np.random.default_rng(seed)
    requests: dict[str, np.ndarray] = {}
    for spec in attributes.concealed:
        labels = people.labels[spec.name]
        known = labels[~spec.is_missing(labels)]
        requests[spec.name] = generator.choice(known, len(labels)).astype(spec.dtype)
    return requests
