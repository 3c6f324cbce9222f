import numpy as np
import pytest

from conceal_jax.attributes import AttributeSet, Categorical
from conceal_jax.audit.release import Release
from conceal_jax.release.page.readers import fit_readers

PEOPLE = 600


@pytest.fixture(scope="module")
def release():
    """Photos tell gender by their upper half, codes by one number, concealed pictures not at all."""
    generator = np.random.default_rng(0)
    gender = generator.integers(0, 2, PEOPLE).astype(np.int32)
    originals, pictures = generator.integers(0, 200, (2, PEOPLE, 32, 32, 3)).astype(np.uint8)
    originals[gender == 1, :16] += 55
    codes = generator.normal(size=(PEOPLE, 8)).astype(np.float32)
    codes[:, 3] += 3 * gender
    return Release({"gender": gender}, codes=codes, pictures=pictures, originals=originals)


def test_readers_find_what_there_is_and_no_more(release):
    attributes = AttributeSet((Categorical("gender", ("male", "female")),))
    readers = fit_readers(release, attributes)
    assert readers.people == 420
    assert readers.classes == {"gender": ("male", "female")}
    accuracy = {source: reader.accuracies["gender"] for source, reader in readers.by_source.items()}
    assert accuracy["originals"] > 0.95
    assert 0.8 < accuracy["codes"] < 0.99  # the best possible attacker has .93
    assert abs(accuracy["pictures"] - 0.5) < 0.15
    for source, certain in (("originals", True), ("pictures", False)):
        read = readers.by_source[source].read(release.inputs(source)[:50])["gender"]
        assert read.shape == (50, 2)
        np.testing.assert_allclose(read.sum(axis=1), 1, atol=1e-5)
        assert bool(read.max(axis=1).mean() > 0.9) == certain
