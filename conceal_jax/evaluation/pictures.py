"""Pictures of a report: people beside what is made of them."""

import numpy as np

from conceal_jax.attributes import Attribute, Categorical
from conceal_jax.audit.release import Release
from conceal_jax.plots.grids import PictureGrid
from conceal_jax.release.encode import decode_codes
from conceal_jax.runs.trained import Run

CONCEALED_PEOPLE = 8
REQUESTED_PEOPLE = 5


def picture_grids(run: Run, test: Release) -> dict[str, PictureGrid]:
    """Grids by file name, of a few test people drawn at random."""
    chosen = np.random.default_rng(run.config.seed).permutation(len(test))
    return {
        "concealed": _concealed(run, test.take(chosen[:CONCEALED_PEOPLE])),
        "requested": _requested(run, test.take(chosen[:REQUESTED_PEOPLE])),
    }


def _concealed(run: Run, people: Release) -> PictureGrid:
    """The photo, its reconstruction, and its concealed picture, below each other."""
    own = np.asarray(run.attributes.encode(people.labels))
    reconstructed = decode_codes(run.model, run.params, people.inputs("codes"), own)
    return PictureGrid(
        np.stack([people.inputs("originals"), reconstructed, people.inputs("pictures")]),
        row_labels=("original", "reconstructed", "concealed"),
        caption="Held-out people: the photo, the photo decoded from its code under its own labels, and under the "
        "neutral label.",
    )


def _requested(run: Run, people: Release) -> PictureGrid:
    """The photo, and its code decoded with one attribute at a time requested, side by side."""
    columns, names = [people.inputs("originals")], ["original"]
    for spec in run.attributes.concealed:
        for value, name in _values_to_show(spec):
            labels = {**people.labels, spec.name: np.full(len(people), value, spec.dtype)}
            vectors = np.asarray(run.attributes.encode(labels))
            columns.append(decode_codes(run.model, run.params, people.inputs("codes"), vectors))
            names.append(name)
    return PictureGrid(
        np.stack(columns, axis=1),
        column_labels=names,
        caption="One attribute at a time is requested; the person's other labels stay.",
    )


def _values_to_show(spec: Attribute) -> list[tuple[float, str]]:
    if isinstance(spec, Categorical):
        return [(index, name) for index, name in enumerate(spec.classes)]
    return [(value, f"{value:g}") for value in spec.examples]
