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

    def fit(self, learn: Examples, choose: Examples) -> "BoostedTreesAttacker":
        """Grows trees on `learn` until the loss on `choose` no longer falls."""
        self._class_counts = {
            name: learn.targets[name].class_count
            for name in answerable(learn, choose)
            if learn.targets[name].class_count <= self.max_classes
        }
        self._models = {name: self._grown(learn, choose, name) for name in self._class_counts}
        return self

    def predict(self, inputs: np.ndarray) -> dict[str, np.ndarray]:
        """By target: log probabilities [N, classes], or values [N]."""
        return {name: self._answer(model, inputs, self._class_counts[name]) for name, model in self._models.items()}

    def _grown(self, learn: Examples, choose: Examples, name: str) -> Any:
        target, validation = learn.targets[name], choose.targets[name]
        kind = HistGradientBoostingClassifier if target.class_count else HistGradientBoostingRegressor
        model = kind(
            **self.settings, early_stopping=True, n_iter_no_change=self.patience, tol=0.0, random_state=self._seed
        )
        rows = validation.known
        if target.class_count:
            rows = rows & np.isin(validation.labels, target.labels[target.known])
        return model.fit(
            learn.inputs[target.known],
            target.labels[target.known],
            balanced_weights(target)[target.known],
            X_val=choose.inputs[rows],
            y_val=validation.labels[rows],
            sample_weight_val=balanced_weights(validation.take(rows.nonzero()[0])),
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

    def fit(self, learn: Examples, choose: Examples) -> "DecisionTreeAttacker":
        """Fits trees to `learn`; the best on `choose` is kept."""
        self._counts = {name: target.class_count for name, target in learn.targets.items()}
        self._trees = {
            name: self._best(learn, choose, name) for name in answerable(learn, choose) if self._counts[name]
        }
        return self

    def predict(self, inputs: np.ndarray) -> dict[str, np.ndarray]:
        """By class target: log-probabilities [N, classes]."""
        return {name: _tree_scores(tree, inputs, self._counts[name]) for name, tree in self._trees.items()}

    def _best(self, learn: Examples, choose: Examples, name: str) -> DecisionTreeClassifier:
        target, validation = learn.targets[name], choose.targets[name]
        trees = [
            DecisionTreeClassifier(min_samples_leaf=leaf, class_weight="balanced", random_state=self._seed).fit(
                learn.inputs[target.known], target.labels[target.known]
            )
            for leaf in self.leaves
        ]
        return min(trees, key=lambda tree: loss(_tree_scores(tree, choose.inputs, target.class_count), validation))


def _tree_scores(tree: DecisionTreeClassifier, inputs: np.ndarray, class_count: int) -> np.ndarray:
    probabilities = np.maximum(tree.predict_proba(inputs), LEAST_PROBABILITY)
    return all_classes(np.log(probabilities), tree.classes_, class_count)
