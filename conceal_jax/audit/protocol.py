"""The attack protocol: attackers are fitted to some people and evaluated on held-out ones."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from conceal_jax.attributes import AttributeSet
from conceal_jax.audit.attackers.attacker import Attacker
from conceal_jax.audit.attackers.calibration import calibrate
from conceal_jax.audit.attackers.selection import loss
from conceal_jax.audit.examples import Examples
from conceal_jax.audit.reading import Answer, Answers, Reading, judge
from conceal_jax.audit.targets import Target, Targets, require_readable, targets_of

Progress = Callable[[str], None]
Scores = Mapping[str, np.ndarray]

VALIDATE_ONE_IN = 10
"""One in so many training people is a validation person, for hyper-parameters and calibration."""
ENSEMBLE = "ensemble"
ENSEMBLE_SIZE = 3


def attack(
    train: Examples,
    test: Examples,
    attackers: Sequence[Attacker],
    *,
    seed: int = 0,
    progress: Progress = lambda line: None,
) -> dict[str, Reading]:
    """What attackers fitted to `train` read of `test`, by attribute.

    Args:
        train, test: the same targets of different people.
        attackers: each is fitted from scratch.
        seed: of the choice of validation people.
        progress: called with a line for each attacker, with the seconds it took.

    Raises:
        ValueError: a target with too few people, or with the same label for all.
    """
    require_readable(train.targets, test.targets)
    return judge(answer(train, test.inputs, attackers, seed=seed, progress=progress), test.targets)


def attack_out_of_fold(
    people: Examples,
    attackers: Sequence[Attacker],
    *,
    folds: int = 5,
    seed: int = 0,
    progress: Progress = lambda line: None,
) -> dict[str, Reading]:
    """What attackers read of everyone, by attribute; those of each fold are fitted to all the others.

    Args:
        people: examples of one person are in the same fold.
        attackers, seed, progress: as for `attack`.
        folds: number of folds.

    Raises:
        ValueError: as for `attack`.
    """
    require_readable(people.targets, people.targets)
    answers = answer_out_of_fold(people, attackers, folds=folds, seed=seed, progress=progress)
    return judge(answers, people.targets, folds)


def answer_out_of_fold(
    people: Examples,
    attackers: Sequence[Attacker],
    *,
    folds: int = 5,
    seed: int = 0,
    progress: Progress = lambda line: None,
) -> Answers:
    """Calibrated answers about everyone, by attackers that were not fitted to the person's fold."""
    parts = people.folds(folds, seed)
    answers = []
    for number, part in enumerate(parts):
        progress(f"fold {number + 1} of {folds}")
        rest = people.take(np.setdiff1d(np.arange(len(people)), part))
        answers.append(answer(rest, people.inputs[part], attackers, seed=seed, progress=progress))
    return _in_one_order(answers, np.argsort(np.concatenate(parts)))


def answer(
    train: Examples,
    inputs: np.ndarray,
    attackers: Sequence[Attacker],
    *,
    seed: int = 0,
    progress: Progress = lambda line: None,
) -> Answers:
    """Calibrated answers about the people with these inputs; with two or more attackers, an ensemble's too."""
    learn, validation = train.split(VALIDATE_ONE_IN, seed)
    chosen, predicted = {}, {}
    for attacker in attackers:
        start = time.perf_counter()
        # The threads of BLAS and OpenMP wait for each other by spinning: beside another busy process two of them take
        # ten times as long as one, and alone on so small problems hardly less.
        with threadpool_limits(1):
            attacker.fit(learn, validation)
            chosen[attacker.name], predicted[attacker.name] = (
                attacker.predict(validation.inputs),
                attacker.predict(inputs),
            )
        progress(f"{attacker.name}: {len(train)} people in {time.perf_counter() - start:.1f} s")
    answers = {name: _calibrated(chosen[name], predicted[name], validation.targets, learn.targets) for name in chosen}
    if len(attackers) > 1:
        rated = {name: _calibrated(chosen[name], chosen[name], validation.targets, learn.targets) for name in chosen}
        answers[ENSEMBLE] = _ensemble(rated, answers, validation.targets, learn.targets)
    return answers


def _calibrated(chosen: Scores, predicted: Scores, validation: Targets, learn: Targets) -> dict[str, Answer]:
    """Answers from raw scores; `chosen` are those of the validation people."""
    return {name: _answer(chosen[name], scores, validation[name], learn[name]) for name, scores in predicted.items()}


def _answer(chosen: np.ndarray, predicted: np.ndarray, validation: Target, learn: Target) -> Answer:
    if not learn.class_count:
        return Answer(predicted)
    calibration = calibrate(chosen, validation, learn)
    priors = np.broadcast_to(calibration.log_priors, predicted.shape)
    return Answer(calibration.balanced(predicted), calibration.natural(predicted), priors)


def _ensemble(rated: Answers, answers: Answers, validation: Targets, learn: Targets) -> dict[str, Answer]:
    """For every target, the mean answer of the attackers with the least validation loss."""
    ensemble = {}
    for name, target in validation.items():
        able = [attacker for attacker in answers if name in answers[attacker]]
        if not able:
            continue
        losses = {attacker: loss(rated[attacker][name].scores, target) for attacker in able}
        best = sorted(able, key=losses.__getitem__)[:ENSEMBLE_SIZE]
        chosen, predicted = (
            np.mean([part[attacker][name].scores for attacker in best], axis=0) for part in (rated, answers)
        )
        ensemble[name] = _answer(chosen, predicted, target, learn[name])
    return ensemble


def _in_one_order(folds: Sequence[Answers], order: np.ndarray) -> Answers:
    """Answers of all folds concatenated and put in `order`, for the targets that were answered in every fold."""

    def together(parts: Sequence[Answer]) -> Answer:
        def rows(field: str) -> Any:
            arrays = [getattr(part, field) for part in parts]
            return None if arrays[0] is None else np.concatenate(arrays)[order]

        return Answer(rows("scores"), rows("natural"), rows("log_priors"))

    return {
        attacker: {
            name: together([fold[attacker][name] for fold in folds])
            for name in answers
            if all(name in fold[attacker] for fold in folds)
        }
        for attacker, answers in folds[0].items()
    }


def requested(
    reader: Attacker, pictures: np.ndarray, labels: Mapping[str, np.ndarray], attributes: AttributeSet
) -> dict[str, Reading]:
    """Agreement of `reader` (trained on originals) with the labels that `pictures` were decoded for.

    Args:
        reader: trained on the same attributes.
        pictures: uint8 [N, S, S, 3].
        labels: by the name of a concealed attribute, the label requested of each picture [N]; missing where none was.

    Raises:
        ValueError: no attribute was requested, or one that is not concealed; lengths that differ; too few pictures,
            or the same request for all.
    """
    specs = tuple(spec for spec in attributes.concealed if spec.name in labels)
    if not specs or len(specs) != len(labels):
        names = ", ".join(spec.name for spec in attributes.concealed)
        raise ValueError(f"got requests for {sorted(labels)}; give one or more of the concealed {names}")
    targets = targets_of(AttributeSet(specs), labels)
    require_readable({}, targets)
    predictions = reader.predict(pictures)
    return judge({reader.name: {name: Answer(predictions[name]) for name in targets}}, targets)
