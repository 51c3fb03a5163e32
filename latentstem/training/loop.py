"""What both trainings share: a budget, a learning-rate schedule over it, and a state folder that survives a kill.

The state is Accelerate's own (weights, optimiser, random states) plus the moving average, the budget used so far, the
history of validations and the recent losses. It is written to a new folder that is renamed into place only when whole,
so a kill at any moment leaves the last good state, and starting the same command again goes on from it. The trainings
draw a step's crops by its number, so with a budget of steps a run that was killed ends, on the same machine, bit for
bit where it would have ended anyway.
"""

import json
import math
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast
from diffusers.training_utils import EMAModel
from torch import nn
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


class History:
    r"""The records of a run's validations, part of its state, and a file of one JSON object a line that shows them.

    A run that goes on from a state goes on from the records of that state, so no step is there twice or missing.

    Args:
        path: The file; rewritten whole, under a temporary name first.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     history = History(Path(folder) / "history.jsonl")
        ...     history.records.append({"step": 10, "loss": 0.5})
        ...     history.write()
        ...     history.path.read_text()
        '{"step": 10, "loss": 0.5}\n'
    """

    def __init__(self, path: Path):
        self.path = path
        self.records: list[dict[str, float]] = []

    def state_dict(self) -> dict[str, list[dict[str, float]]]:
        """What a resumed run needs: Accelerate asks for it."""
        return {"records": self.records}

    def load_state_dict(self, state: dict[str, list[dict[str, float]]]) -> None:
        """Take up a stored run."""
        self.records = list(state["records"])

    def write(self) -> None:
        """Bring the file up to date."""
        partial = self.path.with_suffix(".partial")
        partial.write_text("".join(json.dumps(record) + "\n" for record in self.records))
        partial.replace(self.path)


class RecentLosses:
    """Mean of each loss over about the last hundred steps of this process, part of a run's state.

    Example:
        >>> recent = RecentLosses()
        >>> for loss in (1.0, 2.0, 6.0):
        ...     recent.add({"loss": torch.tensor(loss)})
        >>> recent.means
        {'loss': 3.0}
    """

    def __init__(self):
        self._steps = 0
        self._means: dict[str, torch.Tensor] = {}

    @property
    def means(self) -> dict[str, float]:
        """Name of each loss to its mean."""
        return {name: round(float(mean), 5) for name, mean in self._means.items()}

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run needs: Accelerate asks for it."""
        return {"steps": self._steps, "means": self._means}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up a stored run."""
        self._steps, self._means = state["steps"], dict(state["means"])

    def add(self, losses: dict[str, torch.Tensor]) -> None:
        """Count the losses of a step in; they stay on their device."""
        self._steps += 1
        for name, loss in losses.items():
            loss = loss.detach().float()
            mean = self._means.get(name, loss).to(loss.device)  # a state is read on the CPU
            self._means[name] = torch.lerp(mean, loss, 1 / min(self._steps, 100))


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
        self.history = History(folder / "history.jsonl")
        self.recent = RecentLosses()
        self.accelerator.register_for_checkpointing(self.ema, budget, self.history, self.recent)
        self._clock = time.monotonic()

    @property
    def state_folder(self) -> Path:
        """Where the last good state lies."""
        return self.folder / "state"

    def resume(self) -> None:
        """Take up the last good state, if there is one; call it once everything that is stored has been registered.

        The random states are part of it: what draws from them between this call and the first step makes a resumed run
        differ from one that was not interrupted.

        Raises:
            ValueError: If the state is that of a net of other layers.
        """
        previous = self.folder / "state.previous"
        if self.accelerator.is_main_process and not self.state_folder.exists() and previous.exists():
            previous.rename(self.state_folder)  # killed between the two renames of `save`
        self.accelerator.wait_for_everyone()
        if self.state_folder.exists():
            try:
                self.accelerator.load_state(str(self.state_folder))
            except RuntimeError as error:  # torch's, of names and shapes that do not fit
                raise ValueError(
                    f"{self.state_folder} holds the state of another net: go on with the settings it was started with, "
                    "or choose another output folder"
                ) from error
            if self.accelerator.is_main_process:
                self.history.write()
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
        elapsed = now - self._clock
        if self.accelerator.num_processes > 1:
            # One clock for all: processes that disagree on when to save or to stop wait for each other for ever.
            first: Any = broadcast(torch.tensor(elapsed, device=self.accelerator.device))
            elapsed = float(first)
        self.budget.step += 1
        self.budget.seconds += elapsed
        self._clock = now

    def show(self, bar: tqdm, losses: dict[str, torch.Tensor]) -> None:
        """Count the losses of a step in, move the bar on and, every fifty steps, log the recent losses beside it.

        Args:
            bar: From `progress_bar`.
            losses: Of the step that `update` has just made.
        """
        self.recent.add(losses)
        bar.update(self.budget.progress - bar.n)
        if self.budget.step % 50 == 0:
            self.accelerator.log(self.recent.means, step=self.budget.step)
            bar.set_postfix({"step": self.budget.step, **self.recent.means})

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
            self.history.write()
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
