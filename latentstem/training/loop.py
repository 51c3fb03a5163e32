"""What both trainings share: a budget, a learning-rate schedule over it, and a state folder that survives a kill.

The state is Accelerate's own (weights, optimiser, random states) plus the moving average and the budget used so far.
It is written to a new folder that is renamed into place only when whole, so a kill at any moment leaves the last good
state, and starting the same command again goes on from it.
"""

import math
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from diffusers.training_utils import EMAModel
from torch import nn


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

    @property
    def progress(self) -> float:
        """Share of the budget that is used, 0 to 1."""
        by_time = self.seconds / (60 * self.minutes) if self.minutes else 0.0
        return min(1.0, max(self.step / self.steps, by_time))

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
    # A short budget warms up in a tenth of itself.
    warm = min(1.0, (budget.step + 1) / min(warmup_steps, budget.steps // 10 + 1))
    fall = max(0.0, (budget.progress - hold) / (1 - hold))
    return warm * (final + (1 - final) * 0.5 * (1 + math.cos(math.pi * fall)))


class TrainingRun:
    """One resumable training of one network.

    Args:
        model: The network to train; its moving average is what gets published.
        optimizer: Its optimiser, built with the peak learning rate.
        budget: Steps and minutes.
        folder: Where state and logs go.
        mixed_precision: "no" or "bf16".
        ema_decay: Decay of the moving average.

    Example:
        >>> import tempfile, torch
        >>> model = torch.nn.Linear(2, 2)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     run = TrainingRun(model, torch.optim.AdamW(model.parameters()), Budget(steps=2), Path(folder), "no")
        ...     while run.unfinished():
        ...         run.update(run.model(torch.ones(1, 2)).square().mean())
        ...     run.save()
        ...     run.budget.step
        2
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        budget: Budget,
        folder: Path,
        mixed_precision: str = "bf16",
        ema_decay: float = 0.999,
    ):
        self.folder = folder
        self.budget = budget
        self.accelerator = Accelerator(
            mixed_precision=mixed_precision,
            log_with="tensorboard",
            project_dir=folder,
            cpu=not torch.cuda.is_available(),
        )
        self.accelerator.init_trackers("logs")
        self.peak_rates = [group["lr"] for group in optimizer.param_groups]
        self.ema = EMAModel(model.parameters(), decay=ema_decay, use_ema_warmup=True, power=0.75)
        self.ema.to(self.accelerator.device)
        self.model, self.optimizer = self.accelerator.prepare(model, optimizer)
        self.accelerator.register_for_checkpointing(self.ema, budget)
        self._clock = time.monotonic()

    @property
    def state_folder(self) -> Path:
        """Where the last good state lies."""
        return self.folder / "state"

    def resume(self) -> None:
        """Take up the last good state, if there is one; call it once everything that is stored has been registered."""
        previous = self.folder / "state.previous"
        if not self.state_folder.exists() and previous.exists():  # killed between the two renames of `save`
            previous.rename(self.state_folder)
        if self.state_folder.exists():
            self.accelerator.load_state(str(self.state_folder))
            self.accelerator.print(f"resumed from {self.state_folder} at step {self.budget.step}")
        self._clock = time.monotonic()

    def unfinished(self) -> bool:
        """Whether the budget has something left."""
        return self.budget.progress < 1.0

    def update(self, loss: torch.Tensor, max_norm: float = 1.0) -> None:
        """Backpropagate, clip the gradient, step the optimiser and the moving average, and count."""
        for group, peak in zip(self.optimizer.param_groups, self.peak_rates, strict=True):
            group["lr"] = peak * learning_rate_factor(self.budget)
        self.accelerator.backward(loss)
        self.accelerator.clip_grad_norm_(self.model.parameters(), max_norm)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.ema.step(self.model.parameters())
        now = time.monotonic()
        self.budget.step += 1
        self.budget.seconds += now - self._clock
        self._clock = now

    def save(self) -> None:
        """Write the state so that a kill at any moment leaves either the old one or the new one whole."""
        self.accelerator.wait_for_everyone()
        partial, previous = self.folder / "state.partial", self.folder / "state.previous"
        if self.accelerator.is_main_process:
            shutil.rmtree(partial, ignore_errors=True)
        self.accelerator.save_state(str(partial))
        if self.accelerator.is_main_process:
            shutil.rmtree(previous, ignore_errors=True)
            if self.state_folder.exists():
                self.state_folder.rename(previous)
            partial.rename(self.state_folder)
            shutil.rmtree(previous, ignore_errors=True)
        self.accelerator.wait_for_everyone()

    def averaged(self) -> "AveragedWeights":
        """Context in which the model carries its moving average."""
        return AveragedWeights(self)


class AveragedWeights:
    """Swaps the moving average in on entry and the training weights back on exit."""

    def __init__(self, run: TrainingRun):
        self.run = run

    def __enter__(self) -> Any:
        parameters = list(self.run.model.parameters())
        self.run.ema.store(parameters)
        self.run.ema.copy_to(parameters)
        model = self.run.accelerator.unwrap_model(self.run.model)
        return model.eval()

    def __exit__(self, *error: object) -> None:
        self.run.ema.restore(list(self.run.model.parameters()))
        self.run.accelerator.unwrap_model(self.run.model).train()


def replace_folder(new: Path, target: Path) -> None:
    """Move a finished folder to where an older one may lie.

    Args:
        new: The finished folder.
        target: Where it is to be; on the same file system.
    """
    old = target.with_name(target.name + ".old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    new.rename(target)
    shutil.rmtree(old, ignore_errors=True)
