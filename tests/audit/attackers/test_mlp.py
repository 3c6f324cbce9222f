"""Perceptrons on worlds where it is known who can read what."""

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, r2_score

from conceal_jax.audit.attackers.mlp import MLPAttacker
from conceal_jax.audit.examples import Examples
from conceal_jax.audit.targets import Target

LEARN, CHOOSE, TEST = slice(0, 2000), slice(2000, 2300), slice(2300, 3300)


@pytest.fixture(scope="module")
def codes() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(3300, 6)).astype(np.float32)


def read(codes: np.ndarray, targets: dict[str, Target], **options: int) -> dict[str, np.ndarray]:
    parts = [
        Examples(
            codes[part], {name: Target(target.labels[part], target.class_count) for name, target in targets.items()}
        )
        for part in (LEARN, CHOOSE)
    ]
    attacker = MLPAttacker(64, 1, **{"epochs": 40, **options})
    return dict(attacker.fit(*parts).predict(codes[TEST]))


def test_classes_and_values_that_no_linear_model_reads_are_read(codes):
    xor, radius = (codes[:, 0] * codes[:, 1] > 0).astype(np.int32), np.square(codes[:, :3]).sum(1)
    predicted = read(codes, {"xor": Target(xor, 2), "radius": Target(radius, 0)})
    assert balanced_accuracy_score(xor[TEST], predicted["xor"].argmax(1)) > 0.9
    assert r2_score(radius[TEST], predicted["radius"]) > 0.85


def test_a_rare_class_counts_as_much_as_a_common_one(codes):
    generator = np.random.default_rng(1)
    rare = (generator.random(3300) < 0.05).astype(np.int32)
    shifted = codes + 2.0 * rare[:, None] * np.eye(6, dtype=np.float32)[0]
    predicted = read(shifted, {"rare": Target(rare, 2)})["rare"].argmax(1)
    # Two unit Gaussians 2 apart: .84 of each; without balance the rare class would hardly ever be guessed.
    assert np.mean(predicted[rare[TEST] == 1] == 1) > 0.7
    assert balanced_accuracy_score(rare[TEST], predicted) > 0.78


def test_missing_labels_are_not_learned_from(codes):
    truth = (codes[:, 0] > 0).astype(np.int32)
    missing = np.random.default_rng(1).random(3300) < 0.3
    predicted = read(codes, {"classes": Target(np.where(missing, -1, truth).astype(np.int32), 2)})
    assert balanced_accuracy_score(truth[TEST], predicted["classes"].argmax(1)) > 0.95


def test_one_seed_gives_one_answer(codes):
    target = {"classes": Target((codes[:, 0] > 0).astype(np.int32), 2)}
    first, again = (read(codes, target, epochs=2)["classes"] for _ in range(2))
    np.testing.assert_array_equal(first, again)


def test_the_epoch_that_does_best_on_the_people_held_out_is_kept(codes):
    # Labels of pure noise: the longer one learns, the worse one does elsewhere.
    noise = np.random.default_rng(2).integers(0, 2, 3300).astype(np.int32)
    scores = read(codes, {"noise": Target(noise, 2)}, epochs=60)["noise"]
    assert np.abs(scores[:, 1] - scores[:, 0]).mean() < 1.0
