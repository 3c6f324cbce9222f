"""Floors: what chance and the kept labels alone tell of the concealed attributes, which no concealment can remove."""

import dataclasses
from collections.abc import Mapping

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from conceal_jax.attributes import Attribute, AttributeSet, Categorical
from conceal_jax.audit.statistics import Estimate, balanced_accuracy
from conceal_jax.audit.targets import Target, require_readable, targets_of


@dataclasses.dataclass(frozen=True)
class Floor:
    """What is known of a concealed attribute without any code or picture.

    Attributes:
        chance: balanced accuracy of guessing: 1 / number of classes among the test people.
        floor: best balanced accuracy from the kept labels alone; never below chance.
    """

    chance: float
    floor: Estimate


def floors(
    train_labels: Mapping[str, np.ndarray],
    test_labels: Mapping[str, np.ndarray],
    attributes: AttributeSet,
    *,
    seed: int = 0,
) -> dict[str, Floor]:
    """Chance and floor of every concealed attribute.

    The floor is the better of a logistic regression and a decision tree that learn the attribute from the kept labels
    of the training people, judged on the test people; like every attacker, they balance the classes.

    Raises:
        ValueError: labels are absent, of different lengths, all of one class, or too few.
    """
    train, test = targets_of(attributes, train_labels), targets_of(attributes, test_labels)
    require_readable(train, test)
    kept = _features(attributes.kept, train_labels), _features(attributes.kept, test_labels)
    return {spec.name: _floor(*kept, train[spec.name], test[spec.name], seed) for spec in attributes.concealed}


def _floor(train_kept: np.ndarray, test_kept: np.ndarray, train: Target, test: Target, seed: int) -> Floor:
    labels = test.labels[test.known]
    # Guessing one class all the time: its recall is 1, the others' is 0.
    guesses = [balanced_accuracy(labels, np.full(len(labels), labels[0]))]
    if train_kept.shape[1]:
        for model in _models(len(train.labels), seed):
            model.fit(train_kept[train.known], train.labels[train.known])
            guesses.append(balanced_accuracy(labels, model.predict(test_kept[test.known])))
    return Floor(1 / len(np.unique(labels)), max(guesses, key=lambda estimate: estimate.value))


def _models(count: int, seed: int) -> tuple[Pipeline, DecisionTreeClassifier]:
    leaf = max(10, count // 200)
    tree = DecisionTreeClassifier(min_samples_leaf=leaf, class_weight="balanced", random_state=seed)
    return make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=500)), tree


def _features(kept: tuple[Attribute, ...], labels: Mapping[str, np.ndarray]) -> np.ndarray:
    """float64 [N, features]: one-hot classes (all 0 where missing), and values with a column that marks the missing."""
    columns = [np.zeros((len(next(iter(labels.values()))), 0))]
    for spec in kept:
        values: np.ndarray = np.asarray(labels[spec.name], spec.dtype)
        if isinstance(spec, Categorical):
            columns.append(values[:, None] == np.arange(spec.width))
        else:
            missing = spec.is_missing(values)
            columns.append(np.stack([np.where(missing, spec.low, values), missing], axis=1))
    return np.concatenate(columns, axis=1).astype(np.float64)
