"""Low-rank quadratic discriminant analysis: class differences of variances and correlations in any direction."""

import dataclasses

import numpy as np

from conceal_jax.audit.attackers.linear import LinearModel, linear_models
from conceal_jax.audit.attackers.selection import answerable, best
from conceal_jax.audit.attackers.whitening import Whitening
from conceal_jax.audit.examples import Examples
from conceal_jax.audit.targets import Target

MAX_CLASSES = 20


@dataclasses.dataclass(frozen=True, eq=False)
class _Form:
    """A linear model on the squares of whitened codes along some directions.

    Attributes:
        directions: float32 [L, classes * rank].
        means, deviations: float32 [classes * rank], of the squares among the training people.
    """

    directions: np.ndarray
    means: np.ndarray
    deviations: np.ndarray
    model: LinearModel

    def predict(self, whitened: np.ndarray) -> np.ndarray:
        return self.model.predict((np.square(whitened @ self.directions) - self.means) / self.deviations)


class QuadraticAttacker:
    """Quadratic discriminant analysis of low rank.

    A class's second moments minus everyone's are a symmetric matrix. Its noise eigenvalues lie below an edge that grows
    with the dimension, and a true difference in few directions exceeds it (Baik, Ben Arous and Peche 2005): the
    directions with the largest eigenvalues are kept, their number tuned. For a value, the "class" is all people,
    weighted by it.
    """

    name = "quadratic"
    ranks = (1, 2, 4, 8, 16)
    strengths = (1e-3, 1e-1)

    def fit(self, train: Examples, validation: Examples) -> "QuadraticAttacker":
        """Fits `train`; ranks and penalties are tuned on `validation`."""
        self._whitening = Whitening().fit(train.inputs)
        train_inputs, validation_inputs = self._whiten(train.inputs), self._whiten(validation.inputs)
        self._forms = {}
        for name in answerable(train, validation):
            target = train.targets[name]
            if target.class_count <= MAX_CLASSES:
                forms = self._forms_of(train_inputs, target)
                self._forms[name] = best(
                    {form: form.predict(validation_inputs) for form in forms}, validation.targets[name]
                )
        return self

    def predict(self, inputs: np.ndarray) -> dict[str, np.ndarray]:
        """By target of up to 20 classes: scores [N, classes], or values [N]."""
        whitened = self._whiten(inputs)
        return {name: form.predict(whitened) for name, form in self._forms.items()}

    def _whiten(self, inputs: np.ndarray) -> np.ndarray:
        return self._whitening.transform(inputs).astype(np.float32)

    def _forms_of(self, whitened: np.ndarray, target: Target) -> list[_Form]:
        """One form for each rank and strength."""
        curvatures, directions = np.linalg.eigh(_differences(whitened, target))
        order = np.argsort(-np.abs(curvatures), axis=1)
        forms = []
        for rank in (rank for rank in self.ranks if rank <= order.shape[1]):
            kept = np.take_along_axis(directions, order[:, None, :rank], 2)
            along = np.concatenate(list(kept), axis=1).astype(np.float32)
            squares = np.square(whitened @ along)
            # Where codes do not vary, there is nothing to learn, and no scale to divide by.
            means, deviations = squares.mean(axis=0), np.maximum(squares.std(axis=0), 1e-6)
            models = linear_models((squares - means) / deviations, target, self.strengths)
            forms += [_Form(along, means, deviations, model) for model in models]
        return forms


def _differences(whitened: np.ndarray, target: Target) -> np.ndarray:
    """float64 [classes, L, L]: each class's second moments minus everyone's; of a value, weighted by it."""
    known = target.known
    people, labels = whitened[known], target.labels[known]
    if target.class_count:
        shares = [(labels == label) / np.sum(labels == label) - 1 / len(labels) for label in np.unique(labels)]
    else:
        shares = [(labels - labels.mean()) / (labels.std() * len(labels))]
    return np.stack([np.float64(people.T * share.astype(np.float32) @ people) for share in shares])
