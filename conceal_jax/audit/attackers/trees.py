"""Tree ensembles as attackers: gradient boosting on codes, and a single decision tree on few inputs."""

from typing import Any, ClassVar

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.tree import DecisionTreeClassifier

from conceal_jax.audit.attackers.selection import all_classes, answerable, balanced_weights, loss
from conceal_jax.audit.examples import Examples

LEAST_PROBABILITY = 1e-3
"""Predicted probabilities are raised to this before their logarithm is taken."""


class BoostedTreesAttacker:
    """Histogram gradient boosting with balanced classes and early stopping on the validation people.

    Each round grows one tree for each class, so targets of more than `max_classes` classes are left unanswered.
    """

    name = "trees"
    max_classes = 20
    patience = 12
    settings: ClassVar[dict[str, float]] = {
        "learning_rate": 0.06,
        "max_iter": 250,
        "max_leaf_nodes": 15,
        "min_samples_leaf": 40,
        "max_bins": 31,
    }

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed

    def fit(self, train: Examples, validation: Examples) -> "BoostedTreesAttacker":
        """Grows trees on `train` until the loss on `validation` no longer falls."""
        self._class_counts = {
            name: train.targets[name].class_count
            for name in answerable(train, validation)
            if train.targets[name].class_count <= self.max_classes
        }
        self._models = {name: self._grown(train, validation, name) for name in self._class_counts}
        return self

    def predict(self, inputs: np.ndarray) -> dict[str, np.ndarray]:
        """By target: log probabilities [N, classes], or values [N]."""
        return {name: self._answer(model, inputs, self._class_counts[name]) for name, model in self._models.items()}

    def _grown(self, train: Examples, validation: Examples, name: str) -> Any:
        target, held_out = train.targets[name], validation.targets[name]
        kind = HistGradientBoostingClassifier if target.class_count else HistGradientBoostingRegressor
        model = kind(
            **self.settings, early_stopping=True, n_iter_no_change=self.patience, tol=0.0, random_state=self._seed
        )
        rows = held_out.known
        if target.class_count:
            rows = rows & np.isin(held_out.labels, target.labels[target.known])
        return model.fit(
            train.inputs[target.known],
            target.labels[target.known],
            balanced_weights(target)[target.known],
            X_val=validation.inputs[rows],
            y_val=held_out.labels[rows],
            sample_weight_val=balanced_weights(held_out.take(rows.nonzero()[0])),
        )

    @staticmethod
    def _answer(model: Any, inputs: np.ndarray, class_count: int) -> np.ndarray:
        if not class_count:
            return model.predict(inputs)
        probabilities = np.maximum(model.predict_proba(inputs), LEAST_PROBABILITY)
        return all_classes(np.log(probabilities), model.classes_.astype(int), class_count)


class DecisionTreeAttacker:
    """One decision tree for each class target, with balanced classes; the least size of a leaf is tuned."""

    name = "tree"
    leaves = (10, 30, 100)

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed

    def fit(self, train: Examples, validation: Examples) -> "DecisionTreeAttacker":
        """Fits trees to `train`; the best on `validation` is kept."""
        self._counts = {name: target.class_count for name, target in train.targets.items()}
        self._trees = {
            name: self._best(train, validation, name) for name in answerable(train, validation) if self._counts[name]
        }
        return self

    def predict(self, inputs: np.ndarray) -> dict[str, np.ndarray]:
        """By class target: log-probabilities [N, classes]."""
        return {name: _tree_scores(tree, inputs, self._counts[name]) for name, tree in self._trees.items()}

    def _best(self, train: Examples, validation: Examples, name: str) -> DecisionTreeClassifier:
        target, held_out = train.targets[name], validation.targets[name]
        trees = [
            DecisionTreeClassifier(min_samples_leaf=leaf, class_weight="balanced", random_state=self._seed).fit(
                train.inputs[target.known], target.labels[target.known]
            )
            for leaf in self.leaves
        ]
        return min(trees, key=lambda tree: loss(_tree_scores(tree, validation.inputs, target.class_count), held_out))


def _tree_scores(tree: DecisionTreeClassifier, inputs: np.ndarray, class_count: int) -> np.ndarray:
    probabilities = np.maximum(tree.predict_proba(inputs), LEAST_PROBABILITY)
    return all_classes(np.log(probabilities), tree.classes_, class_count)
