"""Progress of a run: a bar with rate and time left on a terminal, one log line per report elsewhere."""

import datetime
import logging
import time
from collections.abc import Mapping
from types import TracebackType

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from conceal_jax.runtime.distributed import is_leader

logger = logging.getLogger(__name__)


class Progress:
    """Counts steps and shows images/s and time left, compilation (everything before the first report) left out."""

    def __init__(self, step: int, steps: int, batch_size: int) -> None:
        self._steps, self._batch_size = steps, batch_size
        # disable=None: no bar unless standard error is a terminal.
        disable = None if is_leader() else True
        self._bar = tqdm(
            total=steps * batch_size, initial=step * batch_size, unit="img", unit_scale=True, disable=disable
        )
        self._redirect = logging_redirect_tqdm()
        self._since: tuple[int, float] | None = None
        self.images_per_second = 0.0

    def __enter__(self) -> "Progress":
        self._redirect.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._redirect.__exit__(kind, error, trace)
        self._bar.close()

    def advance(self, count: int) -> None:
        """Moves the bar on by so many steps."""
        self._bar.update(count * self._batch_size)

    def measure(self, step: int) -> None:
        """Updates the rate; call when the steps so far have really been computed."""
        now = time.perf_counter()
        if self._since is not None and step > self._since[0]:
            self.images_per_second = (step - self._since[0]) * self._batch_size / (now - self._since[1])
        self._since = (step, now)

    def pause(self, step: int) -> None:
        """Leaves out of the rate what was done since the last measure, for example an evaluation."""
        self._since = (step, time.perf_counter())

    def show(self, figures: Mapping[str, float]) -> None:
        """Shows figures beside the bar."""
        self._bar.set_postfix({name: f"{value:.4g}" for name, value in figures.items()}, refresh=False)

    def report(self, step: int, figures: Mapping[str, float]) -> None:
        """Logs a line of figures with the rate and the time left."""
        text = "  ".join(f"{name} {value:.4g}" for name, value in figures.items())
        rate = self.images_per_second
        left = datetime.timedelta(seconds=round((self._steps - step) * self._batch_size / rate)) if rate else "?"
        logger.info("step %d/%d  %s  %.0f images/s  %s left", step, self._steps, text, rate, left)
