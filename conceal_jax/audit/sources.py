"""What attackers read of each source: the originals, the released pictures, and the codes."""

from collections.abc import Mapping, Sequence

from conceal_jax.audit.attackers.cnn import CNNAttacker, PretrainedCNN
from conceal_jax.audit.attackers.suite import full_suite, quick_suite
from conceal_jax.audit.controls import PLANTED, SHUFFLED
from conceal_jax.audit.parts import Parts, answers_of, both_have, labelled_examples
from conceal_jax.audit.reading import Answers, Reading, judge
from conceal_jax.audit.settings import Settings
from conceal_jax.audit.targets import Targets

THROUGH_DECODER = "decoder+"
"""Prefix of the name of an attacker on pictures where it counts as an attacker on the codes they are decoded from."""
NETWORKS = 2
"""Fresh networks that read concealed pictures."""
ORDER_MARGIN = 0.01
"""By how much pictures may be read better than their codes before the report warns."""


def read_originals(parts: Parts, settings: Settings) -> tuple[dict[str, Reading], CNNAttacker | None]:
    """What a network reads of the photos themselves, and the network."""
    if not both_have(parts, "originals"):
        return {}, None
    train, test = labelled_examples(parts, "originals", settings)
    network = _network(settings, 0)
    settings.progress("originals")
    return judge(answers_of(train, test, [network], settings), test.targets, settings.folds), network


def answer_pictures(parts: Parts, pretrained: CNNAttacker | None, settings: Settings) -> Answers:
    """Answers about the released pictures: of fresh networks, and of the one that learned from originals, unchanged."""
    if not both_have(parts, "pictures"):
        return {}
    train, test = labelled_examples(parts, "pictures", settings)
    settings.progress("pictures")
    networks = [_network(settings, number) for number in range(1, NETWORKS + 1)]
    fresh = answers_of(train, test, networks, settings)
    # Out of fold, the network has learned from everyone.
    if pretrained is None or settings.folds:
        return fresh
    return {**fresh, **answers_of(train, test, [PretrainedCNN(pretrained)], settings)}


def _network(settings: Settings, number: int) -> CNNAttacker:
    return CNNAttacker(settings.cnn_epochs, settings.flip, settings.seed + number, settings.progress)


def read_pictures(parts: Parts, answers: Answers, settings: Settings) -> dict[str, Reading]:
    """Readings of the released pictures from `answer_pictures`."""
    if not answers:
        return {}
    return judge(answers, labelled_examples(parts, "pictures", settings)[1].targets, settings.folds)


def read_codes(parts: Parts, of_pictures: Answers, settings: Settings) -> dict[str, Reading]:
    """Readings of the codes: concealed attributes by the full suite, the others by the quick one.

    A picture that anyone can decode from its code leaks no more than the code: the attackers on pictures are attackers
    on codes too.
    """
    if not both_have(parts, "codes"):
        return {}
    white_box = all(part.release.posterior is not None for part in parts)
    concealed = labelled_examples(parts, "codes", settings, others=False)
    others = labelled_examples(parts, "codes", settings, concealed=False)
    quick = quick_suite(settings.seed)
    rounds = [(concealed, quick if settings.quick else full_suite(settings.seed, white_box))]
    rounds += [(others, quick)] if others[0].targets else []
    readings: dict[str, Reading] = {}
    for (train, test), attackers in rounds:
        settings.progress(f"codes: {', '.join(test.targets)}")
        answers = answers_of(train, test, attackers, settings)
        readings |= judge({**answers, **_through_decoder(of_pictures, test.targets)}, test.targets, settings.folds)
    return readings


def _through_decoder(of_pictures: Answers, targets: Targets) -> Answers:
    """Answers about pictures as answers about their codes, without the controls, as each source has its own."""
    return {
        THROUGH_DECODER + attacker: {
            name: each for name, each in answers.items() if name in targets and name not in (PLANTED, SHUFFLED)
        }
        for attacker, answers in of_pictures.items()
    }


def order_warnings(codes: Mapping[str, Reading], names: Sequence[str]) -> tuple[str, ...]:
    """Warnings for concealed attributes that are read better from the pictures than from their codes."""
    warnings = []
    for name in names:
        figures = codes[name].attackers if name in codes else ()
        through = [each.decisive.value for each in figures if each.attacker.startswith(THROUGH_DECODER)]
        direct = [each.decisive.value for each in figures if not each.attacker.startswith(THROUGH_DECODER)]
        if through and max(through) > max(direct) + ORDER_MARGIN:
            warnings.append(
                f"{name}: attackers on the codes alone read {max(direct):.3f}, those on the pictures decoded from them "
                f"{max(through):.3f}. A code cannot leak less than its picture, so the first attackers were too weak; "
                "the higher figure holds for both."
            )
    return tuple(warnings)
