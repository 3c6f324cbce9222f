"""How well attackers read: metrics of their answers about held-out people."""

import dataclasses
import math
from collections.abc import Mapping

import numpy as np

from conceal_jax.audit import statistics
from conceal_jax.audit.statistics import Estimate
from conceal_jax.audit.targets import VALUE_SUFFIX, Target, Targets, value_of


@dataclasses.dataclass(frozen=True)
class Answer:
    """An attacker's predictions of one target for N people.

    Attributes:
        scores: log-probabilities [N, classes] under equal priors of the classes (the highest is the
            guess), or values [N].
        natural, log_priors: float [N, classes]: calibrated log-probabilities under the shares of the classes among the
            people learned from, and the logarithms of these shares; None for values.
    """

    scores: np.ndarray
    natural: np.ndarray | None = None
    log_priors: np.ndarray | None = None


Answers = Mapping[str, Mapping[str, Answer]]
"""By attacker and target; a target that an attacker does not predict is absent."""


@dataclasses.dataclass(frozen=True)
class Figures:
    """How well one attacker reads one attribute.

    Attributes:
        attacker: its name.
        metrics: by "balanced_accuracy", "auc", "macro_f1", "information_nats", "r2" or "mae" (in the attribute's
            unit), the decisive first; each with a 95 % interval of its own.
        simultaneous: limits of the decisive figure that hold for all attackers at once (Bonferroni).
    """

    attacker: str
    metrics: dict[str, Estimate]
    simultaneous: tuple[float, float]

    @property
    def decisive(self) -> Estimate:
        """The estimate by which attackers are compared: balanced accuracy, or R2; more is a better attacker."""
        return next(iter(self.metrics.values()))


@dataclasses.dataclass(frozen=True)
class Reading:
    """How well one attribute is read, by each attacker.

    Attributes:
        attackers: their figures.
        support: labelled test examples of each class, or their number where a value is read.
    """

    attackers: tuple[Figures, ...]
    support: tuple[int, ...]

    @property
    def best(self) -> Figures:
        """The attacker with the highest decisive figure."""
        return max(self.attackers, key=lambda figures: figures.decisive.value)

    @property
    def highest(self) -> Estimate:
        """The best attacker's figure with limits for what the truly best of the suite reads.

        Every attacker's own figure lies within its simultaneous limits with 95 % confidence, hence the highest of them
        between the highest lower and the highest upper limit.
        """
        lows, highs = zip(*(figures.simultaneous for figures in self.attackers), strict=True)
        return Estimate(self.best.decisive.value, (max(lows), max(highs)))


def judge(answers: Answers, targets: Targets, folds: int = 0) -> dict[str, Reading]:
    """Readings by attribute of attackers that predicted the same targets.

    Answers out of fold are not independent: those about two people come from attackers that were fitted to each other's
    labels. Intervals are then widened by sqrt(1 + folds / (folds - 1)) (Nadeau and Bengio 2003).

    Args:
        answers: by attacker and target.
        targets: the true labels. `NAME` and `value_of(NAME)` are two targets of one attribute.
        folds: number of folds; 0 where the people were held out from every attacker.
    """
    names = dict.fromkeys(name.removesuffix(VALUE_SUFFIX) for name in targets)
    widening = math.sqrt(1 + folds / (folds - 1)) if folds else 1.0
    return {name: _reading(name, answers, targets, widening) for name in names}


def _reading(name: str, answers: Answers, targets: Targets, widening: float) -> Reading:
    decisive = name if name in targets else value_of(name)
    able = {attacker: each for attacker, each in answers.items() if decisive in each}
    figures = (_figures(attacker, name, each, targets, len(able)) for attacker, each in able.items())
    return Reading(tuple(_widened(each, widening) for each in figures), support(targets[decisive]))


def _widened(figures: Figures, factor: float) -> Figures:
    if factor == 1.0:
        return figures
    metrics = {name: statistics.widened(estimate, factor) for name, estimate in figures.metrics.items()}
    simultaneous = statistics.widened(Estimate(figures.decisive.value, figures.simultaneous), factor).ci95
    return Figures(figures.attacker, metrics, simultaneous)


def _figures(attacker: str, name: str, answers: Mapping[str, Answer], targets: Targets, comparisons: int) -> Figures:
    metrics: dict[str, Estimate] = {}
    if name in targets:
        metrics |= _class_metrics(answers[name], targets[name])
        simultaneous = statistics.balanced_accuracy(*_guesses(answers[name], targets[name]), comparisons)
    if value_of(name) in answers and value_of(name) in targets:
        known = targets[value_of(name)].known
        values, guesses = targets[value_of(name)].labels[known], answers[value_of(name)].scores[known]
        metrics["r2"] = statistics.r2(values, guesses)
        metrics["mae"] = statistics.mean_absolute_error(values, guesses)
        if name not in targets:
            simultaneous = statistics.r2(values, guesses, comparisons)
    return Figures(attacker, metrics, simultaneous.ci95)


def _guesses(answer: Answer, target: Target) -> tuple[np.ndarray, np.ndarray]:
    return target.labels[target.known], answer.scores[target.known].argmax(axis=1)


def _class_metrics(answer: Answer, target: Target) -> dict[str, Estimate]:
    known = target.known
    labels, guesses = _guesses(answer, target)
    metrics = {"balanced_accuracy": statistics.balanced_accuracy(labels, guesses)}
    if target.class_count == 2 and len(np.unique(labels)) == 2:
        metrics["auc"] = statistics.auc(labels, answer.scores[known, 1] - answer.scores[known, 0])
    metrics["macro_f1"] = statistics.macro_f1(labels, guesses)
    if answer.natural is not None and answer.log_priors is not None:
        log_priors = answer.log_priors[known]
        # Classes without a training example have no defined cost in nats.
        present = np.isfinite(log_priors[np.arange(len(labels)), labels])
        metrics["information_nats"] = statistics.information(
            labels[present], answer.natural[known][present], log_priors[present]
        )
    return metrics


def support(target: Target) -> tuple[int, ...]:
    """Known labels of each class, or their number for a value."""
    if not target.class_count:
        return (int(target.known.sum()),)
    return tuple(np.bincount(target.labels[target.known], minlength=target.class_count).tolist())
