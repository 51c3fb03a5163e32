"""How much training there is, how much of it is used, and what follows from that: the learning rate and the bar."""

import math
from dataclasses import dataclass, field

from tqdm import tqdm


@dataclass
class Budget:
    """How much training there is and how much of it is used.

    Args:
        steps: Optimiser steps in all.
        minutes: Minutes in all, whichever of both ends first; None for no limit.

    Example:
        >>> budget = Budget(steps=100, minutes=None)
        >>> budget.step = 25
        >>> budget.progress
        0.25
    """

    steps: int
    minutes: float | None = None
    step: int = 0
    seconds: float = 0.0
    _before: float = field(default=0.0, init=False, repr=False, compare=False)

    @property
    def progress(self) -> float:
        """Share of the budget that is used, 0 to 1."""
        by_time = self.seconds / (60 * self.minutes) if self.minutes else 0.0
        return min(1.0, max(self.step / self.steps, by_time))

    def advance(self, seconds: float) -> None:
        """Count a step that took so long."""
        self._before = self.progress
        self.step += 1
        self.seconds += seconds

    def due(self, times: int) -> bool:
        """Whether the last step has ended one of so many even shares; the step that ends the budget always has."""
        return math.floor(times * self.progress) > math.floor(times * self._before)

    def state_dict(self) -> dict[str, float]:
        """What a resumed run needs: Accelerate asks for it."""
        return {"step": self.step, "seconds": self.seconds}

    def load_state_dict(self, state: dict[str, float]) -> None:
        """Take up a stored run."""
        self.step, self.seconds = int(state["step"]), float(state["seconds"])


def learning_rate_factor(budget: Budget, warmup_steps: int = 200, hold: float = 0.5, final: float = 0.02) -> float:
    """Linear warm-up, a plateau, then a cosine down to `final` at the end of the budget.

    Example:
        >>> learning_rate_factor(Budget(steps=1000, step=400)), learning_rate_factor(Budget(steps=1000, step=1000))
        (1.0, 0.02)
    """
    # A short budget, of steps or of minutes, warms up in a tenth of itself.
    warm = min(1.0, max((budget.step + 1) / min(warmup_steps, budget.steps // 10 + 1), 10 * budget.progress))
    fall = max(0.0, (budget.progress - hold) / (1 - hold))
    return warm * (final + (1 - final) * 0.5 * (1 + math.cos(math.pi * fall)))


def progress_bar(budget: Budget, shown: bool) -> tqdm:
    """A bar of the share of the budget that is used, so that it ends with the minutes as well as with the steps.

    Example:
        >>> bar = progress_bar(Budget(steps=100, minutes=2, seconds=60), shown=False)
        >>> bar.total, bar.n
        (1.0, 0.5)
    """
    layout = "{percentage:3.0f}%|{bar}| {elapsed}<{remaining}{postfix}"
    return tqdm(total=1.0, initial=budget.progress, bar_format=layout, disable=not shown, mininterval=5)
