"""A resumable training on Accelerate: one net, its optimisers and moving average, and a state that survives a kill.

The state is Accelerate's own (weights, optimisers, random states) with the moving average, the budget used so far, the
history of validations and the recent losses. It is written to a new folder that is renamed into place only when
complete, so a kill at any moment leaves the last good state, and the same command resumes from it. The crops of a step
are a function of its number and validations are evenly spread over the budget; so with a budget of steps a killed run
ends, on the same machine, with the weights of an uninterrupted one to the bit.
"""

import math
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast
from diffusers.training_utils import EMAModel
from torch import nn
from tqdm import tqdm

from latentstem.training.engine.budget import Budget, learning_rate_factor
from latentstem.training.engine.history import History, RecentLosses
from latentstem.training.engine.options import RunOptions


class TrainingRun:
    """One resumable training of one network.

    Args:
        model: Net to train; the moving average of its weights is validated and published.
        optimizers: Optimisers of the net, each built with its parameters and their peak learning rates.
        budget: Steps and minutes of the training.
        folder: Folder for the state and the logs.
        mixed_precision: Precision of the net, "no", "bf16", or "auto" for bf16 where the machine computes in it.
        ema_decay: Decay of the exponential moving average of the weights.
        save_minutes: Minutes between saves of the state.
        validations: Number of validations, evenly spread over the budget; the last is after the last step.

    Example:
        >>> import tempfile, torch
        >>> model = torch.nn.Linear(2, 2)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     run = TrainingRun(model, [torch.optim.AdamW(model.parameters())], Budget(steps=2), Path(folder), "no")
        ...     while run.unfinished():
        ...         run.update(run.model(torch.ones(1, 2)).square().mean())
        ...     run.save()
        ...     run.budget.step
        2
    """

    def __init__(
        self,
        model: nn.Module,
        optimizers: Sequence[torch.optim.Optimizer],
        budget: Budget,
        folder: Path,
        mixed_precision: str = "auto",
        ema_decay: float = 0.999,
        save_minutes: float = 10.0,
        validations: int = 10,
    ):
        self.folder = folder
        self.budget = budget
        self.save_minutes, self.validations = save_minutes, validations
        self.accelerator = Accelerator(
            mixed_precision=_native_precision() if mixed_precision == "auto" else mixed_precision,
            log_with="tensorboard",
            project_dir=folder,
            cpu=not torch.cuda.is_available(),
        )
        self.accelerator.init_trackers("logs")
        self.peak_rates = [[group["lr"] for group in optimizer.param_groups] for optimizer in optimizers]
        self.ema = EMAModel(model.parameters(), decay=ema_decay, use_ema_warmup=True, power=0.75, foreach=True)
        self.ema.to(self.accelerator.device)
        self.model, *self.optimizers = self.accelerator.prepare(model, *optimizers)
        self.history = History(folder / "history.jsonl")
        self.recent = RecentLosses()
        self.accelerator.register_for_checkpointing(self.ema, budget, self.history, self.recent)
        self._clock = time.monotonic()
        self._next_save = 60 * save_minutes

    @classmethod
    def of(cls, model: nn.Module, optimizers: Sequence[torch.optim.Optimizer], settings: RunOptions) -> "TrainingRun":
        """Make the run that the settings of a training describe.

        Args:
            model: Net to train.
            optimizers: Optimisers of the net, built with their peak learning rates.
            settings: Settings of the training, such as an `AutoencoderTraining`.

        Returns:
            The run, before `resume`.
        """
        return cls(
            model,
            optimizers,
            Budget(settings.steps, settings.minutes),
            settings.output,
            settings.mixed_precision,
            settings.ema_decay,
            settings.save_minutes,
            settings.validations,
        )

    @property
    def state_folder(self) -> Path:
        """Folder of the last good state."""
        return self.folder / "state"

    def resume(self) -> None:
        """Load the last good state, if there is one; call this after everything that it holds has been registered.

        The random states are part of it: draws between this call and the first step make a resumed run differ from an
        uninterrupted one.

        Raises:
            ValueError: If the state belongs to a net with other layers, or to other optimisers.
        """
        previous = self.folder / "state.previous"
        if self.accelerator.is_main_process and not self.state_folder.exists() and previous.exists():
            previous.rename(self.state_folder)  # killed between the two renames of `save`
        self.accelerator.wait_for_everyone()
        if self.state_folder.exists():
            try:
                self.accelerator.load_state(str(self.state_folder))
            except (RuntimeError, ValueError) as error:  # raised by torch for names, shapes and groups that do not fit
                raise ValueError(
                    f"{self.state_folder} holds the state of another net or of other optimisers: go on with the "
                    "settings it was started with, or choose another output folder"
                ) from error
            if self.accelerator.is_main_process:
                self.history.write()
            self.accelerator.print(f"resumed from {self.state_folder} at step {self.budget.step}")
        self._clock = time.monotonic()
        self._next_save = self.budget.seconds + 60 * self.save_minutes

    def unfinished(self) -> bool:
        """Tell whether any of the budget is left."""
        return self.budget.progress < 1.0

    def update(self, loss: torch.Tensor, max_norm: float = 1.0) -> None:
        """Backpropagate, clip the gradient, step the optimisers and the moving average, and count the step.

        Args:
            loss: Loss of the step, a scalar.
            max_norm: Greatest norm of the gradient.
        """
        for optimizer, peaks in zip(self.optimizers, self.peak_rates, strict=True):
            for group, peak in zip(optimizer.param_groups, peaks, strict=True):
                group["lr"] = peak * learning_rate_factor(self.budget)
        self.accelerator.backward(loss)
        self.accelerator.clip_grad_norm_(self.model.parameters(), max_norm)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad()
        self.ema.step(self.model.parameters())
        now = time.monotonic()
        elapsed = now - self._clock
        if self.accelerator.num_processes > 1:
            # All follow the clock of the first: processes that disagree on when to save or to stop would deadlock.
            first: Any = broadcast(torch.tensor(elapsed, device=self.accelerator.device))
            elapsed = float(first)
        self.budget.advance(elapsed)
        self._clock = now

    def report(self, bar: tqdm, losses: dict[str, torch.Tensor]) -> None:
        """Record the losses of a step, advance the bar and, every fifty steps, log the recent losses.

        Args:
            bar: Bar from `progress_bar`.
            losses: Losses by name of the step that `update` has just made.
        """
        self.recent.add(losses)
        bar.update(self.budget.progress - bar.n)
        if self.budget.step % 50 == 0:
            self.accelerator.log(self.recent.means, step=self.budget.step)
            bar.set_postfix({"step": self.budget.step, **self.recent.means})

    def checkpoint(
        self,
        validate: Callable[[Any], dict[str, float]],
        criterion: str,
        publish: Callable[[Any, Path], None],
        target: Path,
    ) -> None:
        """Validate, publish and save where they are due; call this after every step.

        Validations are evenly spread over the budget; each is followed by a save, and further saves follow the clock.

        Args:
            validate: Function from the averaged model, in evaluation mode, to metrics for the history.
            criterion: Name of the metric by which the model with the least value is published; where no validation has
                it, the latest model is.
            publish: Function that writes the averaged model to a path where nothing exists.
            target: Path that the published model is moved to, in place of an earlier one.
        """
        due = self.budget.due(self.validations)
        if due and self.accelerator.is_main_process:
            record = {"step": self.budget.step, "seconds": round(self.budget.seconds), **self.recent.means}
            with self.averaged() as averaged, torch.no_grad():
                metrics = {name: round(value, 5) for name, value in validate(averaged).items()}
                if metrics.get(criterion, -math.inf) < self.history.lowest(criterion) or not target.exists():
                    partial = target.with_name(target.name + ".partial")
                    publish(averaged, partial)
                    replace_folder(partial, target)
            self.history.records.append(record | metrics)
            self.accelerator.log(metrics, step=self.budget.step)
            self.accelerator.print(f"\n{record | metrics}")
        if due or self.budget.seconds >= self._next_save:
            self.save()
            self._next_save = self.budget.seconds + 60 * self.save_minutes

    def save(self) -> None:
        """Write the state so that a kill at any moment leaves the old or the new one complete."""
        self.accelerator.wait_for_everyone()
        partial, previous = self.folder / "state.partial", self.folder / "state.previous"
        if self.accelerator.is_main_process:
            shutil.rmtree(partial, ignore_errors=True)
        self.accelerator.wait_for_everyone()  # no process writes before the old files are gone or moved
        self.accelerator.save_state(str(partial))
        self.accelerator.wait_for_everyone()
        if self.accelerator.is_main_process:
            shutil.rmtree(previous, ignore_errors=True)
            if self.state_folder.exists():
                self.state_folder.rename(previous)
            partial.rename(self.state_folder)
            shutil.rmtree(previous, ignore_errors=True)
            self.history.write()
        self.accelerator.wait_for_everyone()

    def averaged(self) -> "AveragedWeights":
        """Return a context in which the model has its averaged weights."""
        return AveragedWeights(self)


class AveragedWeights:
    """Context that swaps the averaged weights in on entry and the training weights back on exit."""

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


def _native_precision() -> str:
    """Choose the faster precision of this machine: a CPU without bfloat16 instructions is slower in it than in float32.

    With AVX-512 alone a step takes a third longer, without it up to five times as long.
    """
    if torch.cuda.is_available():
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "no"
    native = torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    if torch.backends.cpu.get_cpu_capability() == "AVX512":  # of which oneDNN accepts every kind
        native = native and torch.cpu._is_avx512_bf16_supported()
    return "bf16" if native else "no"


def replace_folder(new: Path, target: Path) -> None:
    """Move a finished folder into place, over an older one if it exists.

    Args:
        new: The finished folder.
        target: Final path of the folder, on the same file system.
    """
    old = target.with_name(target.name + ".old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    new.rename(target)
    shutil.rmtree(old, ignore_errors=True)
