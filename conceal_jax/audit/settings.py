"""How an audit is made."""

import dataclasses

from conceal_jax.audit.protocol import Progress


@dataclasses.dataclass(frozen=True)
class Settings:
    """How an audit is made.

    Attributes:
        seed: of everything random.
        quick: attack codes by the quick suite alone, and leave repeated releases out.
        folds: above 0, train and test are the same people, and the attackers of each fold learn from the others.
        cnn_epochs: passes over the pictures.
        flip: mirror training pictures at random; off if a mirrored picture would have another label.
        progress: called with a line for each piece of work.
    """

    seed: int = 0
    quick: bool = False
    folds: int = 0
    cnn_epochs: int = 8
    flip: bool = True
    progress: Progress = lambda line: None
