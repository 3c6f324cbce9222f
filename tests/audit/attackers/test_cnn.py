"""The CNN on simple pictures whose content is known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.metrics import r2_score

from conceal_jax.audit.attackers.cnn import CNNAttacker, PretrainedCNN, mirror_some, require_pictures
from conceal_jax.audit.examples import Examples
from conceal_jax.audit.targets import Target

COUNT = 1024


def bars(size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Noisy pictures of a bar, upright or lying (a mirror keeps it), on a background of some brightness."""
    generator = np.random.default_rng(0)
    upright, brightness = generator.integers(0, 2, COUNT), generator.uniform(0, 1, COUNT).astype(np.float32)
    pictures = 40 + 100 * brightness[:, None, None, None] + 20 * generator.normal(size=(COUNT, size, size, 3))
    for picture, is_upright in zip(pictures, upright, strict=True):
        place = generator.integers(4, size - 8)
        picture[(slice(None), slice(place, place + 6)) if is_upright else slice(place, place + 6)] += 100
    return pictures.clip(0, 255).astype(np.uint8), upright.astype(np.int32), brightness


@pytest.fixture(scope="module")
def trained() -> tuple[CNNAttacker, np.ndarray, np.ndarray, np.ndarray]:
    pictures, upright, brightness = bars(32)
    labels = np.where(np.arange(COUNT) % 5 == 0, -1, upright)
    targets = {"upright": Target(labels, 2), "brightness": Target(brightness, 0)}
    everyone = Examples(pictures, targets)
    reader = CNNAttacker(epochs=8).fit(everyone.take(np.arange(896)), everyone.take(np.arange(896, COUNT)))
    return reader, *(part[896:] for part in (pictures, upright, brightness))


def test_one_network_reads_classes_and_values_of_unseen_pictures(trained):
    reader, pictures, upright, brightness = trained
    predicted = reader.predict(pictures)
    assert np.mean(predicted["upright"].argmax(1) == upright) > 0.95
    assert r2_score(brightness, predicted["brightness"]) > 0.8


def test_a_stale_reader_learns_nothing_of_new_pictures(trained):
    reader, pictures, upright, _ = trained
    turned = Examples(pictures, {"upright": Target(1 - upright, 2)})
    stale = PretrainedCNN(reader).fit(turned, turned)
    np.testing.assert_array_equal(stale.predict(pictures)["upright"], reader.predict(pictures)["upright"])


def test_a_picture_and_its_mirror_image_get_the_same_answer(trained):
    reader, pictures, *_ = trained
    direct, mirrored = reader.predict(pictures), reader.predict(pictures[:, :, ::-1])
    np.testing.assert_allclose(direct["upright"], mirrored["upright"], rtol=1e-4, atol=1e-4)


def test_without_flips_left_is_told_from_right_and_progress_is_told():
    pictures, *_ = bars(32)
    right = np.arange(COUNT) % 2
    pictures[right == 1, :, 16:] //= 2
    pictures[right == 0, :, :16] //= 2
    lines: list[str] = []
    reader = CNNAttacker(epochs=2, flip=False, progress=lines.append)
    examples = Examples(pictures, {"right": Target(right.astype(np.int32), 2)})
    reader.fit(examples, examples)
    assert np.mean(reader.predict(pictures)["right"].argmax(1) == right) > 0.95
    assert [line.split(":")[0] for line in lines] == ["cnn epoch 1/2", "cnn epoch 2/2"]


def test_larger_pictures_are_read_too():
    pictures, upright, _ = bars(128)
    examples = Examples(pictures[:64], {"upright": Target(upright[:64], 2)})
    reader = CNNAttacker(epochs=1).fit(examples, examples)
    assert reader.predict(pictures[:5])["upright"].shape == (5, 2)


def test_mirroring_takes_about_half_and_changes_nothing_else():
    images = np.random.default_rng(0).normal(size=(400, 4, 4, 3)).astype(np.float32)
    mirrored = np.asarray(mirror_some(jnp.asarray(images), jax.random.key(0)))
    flipped = np.all(mirrored == images[:, :, ::-1], axis=(1, 2, 3))
    assert 150 < flipped.sum() < 250
    np.testing.assert_array_equal(mirrored[~flipped], images[~flipped])


@pytest.mark.parametrize(
    "pictures",
    [np.zeros((2, 64, 64, 3), np.float32), np.zeros((2, 48, 48, 3), np.uint8), np.zeros((2, 64, 32, 3), np.uint8)],
)
def test_other_pictures_are_refused(pictures):
    with pytest.raises(ValueError, match=r"give uint8 \[N, S, S, 3\]"):
        require_pictures(pictures)
