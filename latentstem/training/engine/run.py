"""What the trainings share: a network, its optimisers and moving average, and a state folder that survives a kill.

The state is Accelerate's own (weights, optimiser, random states) plus the moving average, the budget used so far, the
history of validations and the recent losses. It is written to a new folder that is renamed into place only when whole,
so a kill at any moment leaves the last good state, and starting the same command again goes on from it. The trainings
draw a step's crops by its number and validate at even shares of the budget, so with a budget of steps a run that was
killed ends, on the same machine, bit for bit where it would have ended anyway.
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


class TrainingRun:
    """One resumable training of one network.

    Args:
        model: The network to train; its moving average is what gets validated and published.
        optimizers: Its optimisers, each with the parameters it is for, built with their peak learning rates.
        budget: Steps and minutes.
        folder: Where state and logs go.
        mixed_precision: "no", "bf16", or "auto", which is the latter where the machine computes in it.
        ema_decay: Decay of the moving average.
        save_minutes: Minutes between states.
        validations: How many there are, evenly spread over the budget; the last step always is one.

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
    def of(cls, model: nn.Module, optimizers: Sequence[torch.optim.Optimizer], settings: Any) -> "TrainingRun":
        """The run that the settings of a training ask for, such as an `AutoencoderTraining`."""
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
        """Where the last good state lies."""
        return self.folder / "state"

    def resume(self) -> None:
        """Take up the last good state, if there is one; call it once everything that is stored has been registered.

        The random states are part of it: what draws from them between this call and the first step makes a resumed run
        differ from one that was not interrupted.

        Raises:
            ValueError: If the state is that of a net of other layers, or of other optimisers.
        """
        previous = self.folder / "state.previous"
        if self.accelerator.is_main_process and not self.state_folder.exists() and previous.exists():
            previous.rename(self.state_folder)  # killed between the two renames of `save`
        self.accelerator.wait_for_everyone()
        if self.state_folder.exists():
            try:
                self.accelerator.load_state(str(self.state_folder))
            except (RuntimeError, ValueError) as error:  # torch's, of names, shapes and groups that do not fit
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
        """Whether the budget has something left."""
        return self.budget.progress < 1.0

    def update(self, loss: torch.Tensor, max_norm: float = 1.0) -> None:
        """Backpropagate, clip the gradient, step the optimisers and the moving average, and count."""
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
            # One clock for all: processes that disagree on when to save or to stop wait for each other for ever.
            first: Any = broadcast(torch.tensor(elapsed, device=self.accelerator.device))
            elapsed = float(first)
        self.budget.advance(elapsed)
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

    def checkpoint(
        self,
        validate: Callable[[Any], dict[str, float]],
        criterion: str,
        publish: Callable[[Any, Path], None],
        target: Path,
    ) -> None:
        """After every step: validate at even shares of the budget, publish the best so far, save then and by the clock.

        Args:
            validate: From the averaged model, in evaluation mode, to figures for the history.
            criterion: Which of them says what is best: the least. Without it the latest is.
            publish: Writes the averaged model to a path where nothing is.
            target: Where that goes in the end, in place of what was there.
        """
        due = self.budget.due(self.validations)
        if due and self.accelerator.is_main_process:
            record = {"step": self.budget.step, "seconds": round(self.budget.seconds), **self.recent.means}
            with self.averaged() as averaged, torch.no_grad():
                figures = {name: round(figure, 5) for name, figure in validate(averaged).items()}
                if figures.get(criterion, -math.inf) < self.history.lowest(criterion) or not target.exists():
                    partial = target.with_name(target.name + ".partial")
                    publish(averaged, partial)
                    replace_folder(partial, target)
            self.history.records.append(record | figures)
            self.accelerator.log(figures, step=self.budget.step)
            self.accelerator.print(f"\n{record | figures}")
        if due or self.budget.seconds >= self._next_save:
            self.save()
            self._next_save = self.budget.seconds + 60 * self.save_minutes

    def save(self) -> None:
        """Write the state so that a kill at any moment leaves either the old one or the new one whole."""
        self.accelerator.wait_for_everyone()
        partial, previous = self.folder / "state.partial", self.folder / "state.previous"
        if self.accelerator.is_main_process:
            shutil.rmtree(partial, ignore_errors=True)
        self.accelerator.wait_for_everyone()  # none writes before it is gone, or into what is being moved
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


def _native_precision() -> str:
    """What this machine is fastest in: a CPU without instructions for bfloat16 is slower in it than in float32.

    With AVX-512 alone a step takes a third longer, without it up to five times as long.
    """
    if torch.cuda.is_available():
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "no"
    native = torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    if torch.backends.cpu.get_cpu_capability() == "AVX512":  # of which oneDNN accepts every kind
        native = native and torch.cpu._is_avx512_bf16_supported()
    return "bf16" if native else "no"


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
