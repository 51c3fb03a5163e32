"""Training budget in steps or minutes, with the learning-rate schedule and the progress bar derived from it."""

import math
from dataclasses import dataclass, field

from tqdm import tqdm


@dataclass
class Budget:
    """Steps and minutes of a training, and how many of them are used.

    Args:
        steps: Number of optimiser steps.
        minutes: Time limit in minutes, if it comes first; None for no limit.
        step: Steps used.
        seconds: Seconds used.

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
        """Fraction of the budget that is used, 0 to 1."""
        by_time = self.seconds / (60 * self.minutes) if self.minutes else 0.0
        return min(1.0, max(self.step / self.steps, by_time))

    def advance(self, seconds: float) -> None:
        """Count one step.

        Args:
            seconds: Duration of the step.
        """
        self._before = self.progress
        self.step += 1
        self.seconds += seconds

    def due(self, times: int) -> bool:
        """Tell whether the last step ended one of several equal parts of the budget; the last step always does.

        Args:
            times: Number of parts.
        """
        return math.floor(times * self.progress) > math.floor(times * self._before)

    def state_dict(self) -> dict[str, float]:
        """Return what a resumed run needs; Accelerate saves it."""
        return {"step": self.step, "seconds": self.seconds}

    def load_state_dict(self, state: dict[str, float]) -> None:
        """Load what `state_dict` returned."""
        self.step, self.seconds = int(state["step"]), float(state["seconds"])


def learning_rate_factor(budget: Budget, warmup_steps: int = 200, hold: float = 0.5, final: float = 0.02) -> float:
    """Compute the factor of the peak learning rate: linear warm-up, a plateau, then a cosine down to `final`.

    Args:
        budget: Budget of the training, with what is used of it.
        warmup_steps: Steps of the warm-up; a shorter budget warms up in a tenth of itself.
        hold: Fraction of the budget at which the cosine begins.
        final: Factor at the end of the budget.

    Returns:
        The factor, from 0 to 1.

    Example:
        >>> learning_rate_factor(Budget(steps=1000, step=400)), learning_rate_factor(Budget(steps=1000, step=1000))
        (1.0, 0.02)
    """
    warm = min(1.0, max((budget.step + 1) / min(warmup_steps, budget.steps // 10 + 1), 10 * budget.progress))
    fall = max(0.0, (budget.progress - hold) / (1 - hold))
    return warm * (final + (1 - final) * 0.5 * (1 + math.cos(math.pi * fall)))


def progress_bar(budget: Budget, enabled: bool) -> tqdm:
    """Make a progress bar of the fraction of the budget that is used: it ends with the minutes as with the steps.

    Args:
        budget: Budget of the training, with what is used of it.
        enabled: Draw the bar.

    Example:
        >>> bar = progress_bar(Budget(steps=100, minutes=2, seconds=60), enabled=False)
        >>> bar.total, bar.n
        (1.0, 0.5)
    """
    bar_format = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining}{postfix}"
    return tqdm(
        desc="training",
        total=1.0,
        initial=budget.progress,
        bar_format=bar_format,
        disable=not enabled,
        mininterval=5,
    )
