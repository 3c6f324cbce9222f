import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn import metrics

from conceal_jax.audit.attackers.multitask import balanced_loss, target_arrays
from conceal_jax.audit.targets import Target


def arrays():
    classes = Target(np.array([0, 1, 1, 1, -1, 2], np.int32), 4)
    values = Target(np.array([10, 20, 30, np.nan, np.nan, 40], np.float32), 0)
    return target_arrays({"classes": classes, "values": values})


def test_every_class_weighs_the_same_and_the_missing_nothing():
    labels, weights = arrays().labels[:, 0], arrays().weights[:, 0]
    sums = [weights[labels == label].sum() for label in (1, 2)]
    assert sums == pytest.approx([weights[0], weights[0]])
    assert weights[4] == 0
    assert weights.sum() == pytest.approx(5)


def test_loss_is_the_balanced_cross_entropy_and_the_squared_error_of_known_labels():
    outputs = jax.random.normal(jax.random.key(0), (6, 2, 4))
    losses = balanced_loss(outputs, jnp.array(arrays().labels), jnp.array(arrays().weights), arrays().class_counts)
    known = np.array([0, 1, 2, 3, 5])
    probabilities = np.asarray(jax.nn.softmax(outputs))[known, 0]
    expected = metrics.log_loss(
        arrays().labels[known, 0], probabilities, sample_weight=arrays().weights[known, 0], labels=range(4)
    )
    assert losses[0] == pytest.approx(expected, rel=1e-5)
    standardised = (np.array([10, 20, 30, 40]) - 25) / np.std([10, 20, 30, 40])
    assert losses[1] == pytest.approx(np.mean((np.asarray(outputs)[[0, 1, 2, 5], 1, 0] - standardised) ** 2), rel=1e-5)


def test_a_batch_without_known_labels_gives_no_gradient_and_no_nan():
    nothing, counts = jnp.zeros((3, 2)), np.array([3, 0])
    gradient = jax.grad(lambda outputs: balanced_loss(outputs, nothing, nothing, counts).sum())(jnp.ones((3, 2, 3)))
    assert not np.any(gradient)


def test_scores_are_logits_of_the_classes_and_values_in_their_unit():
    outputs = np.zeros((6, 2, 4), np.float32)
    outputs[:, 1, 0] = 1.0
    scores = arrays().scores(outputs)
    assert scores["classes"].shape == (6, 4)
    np.testing.assert_allclose(scores["values"], 25 + np.std([10, 20, 30, 40]), rtol=1e-6)
