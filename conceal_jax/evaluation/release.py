"""What recipients get of some people: codes and concealed pictures, made by the run."""

from conceal_jax.attributes.appearance import appearance
from conceal_jax.audit.examples import Posterior
from conceal_jax.audit.release import Release
from conceal_jax.evaluation.people import Part
from conceal_jax.release.encode import decode_codes, encode_pictures, encode_posteriors
from conceal_jax.runs.trained import Run
from conceal_jax.runtime.randomness import Stream, stream_key


def release_of(run: Run, part: Part) -> Release:
    """Codes, pictures under the neutral label, originals and labels of the people whose pictures can be read."""
    decoded = part.decoded
    originals = decoded.images[decoded.valid]
    labels = {name: values[decoded.valid] for name, values in decoded.labels.items()}
    size = run.config.evaluation.batch_size
    key = stream_key(run.config.seed, Stream.RELEASE_NOISE, part.noise)
    codes = encode_pictures(run.model, run.params, originals, key, size)
    return Release(
        {**labels, **appearance(originals)},
        codes=codes,
        pictures=decode_codes(run.model, run.params, codes, run.attributes.neutral_vector(), size),
        originals=originals,
        # What is rounded afterwards does not follow its Gaussian.
        posterior=None
        if run.model.released.mechanism().kind == "finite"
        else Posterior(*encode_posteriors(run.model, run.params, originals, size)),
        people=part.collection.group[decoded.valid],
        persons_known=part.collection.persons_known,
    )
