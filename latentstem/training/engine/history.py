"""Validation records of a training and running means of its losses, saved with its state."""

import json
import math
from pathlib import Path
from typing import Any, TypeVar

import torch

Value = TypeVar("Value")

RENAMED_METRICS = {
    "exchanged pitch": "swapped_pitch",
    "twins": "timbre_swap",
    "velocity_error": "prediction_error",
    "velocity_error_swapped": "prediction_error_swapped",
}
"""Names of losses and metrics in version 0.1.0 to those of today."""


class History:
    r"""Validation records of a run, written to a file of one JSON object a line.

    The records are part of the state of the run: after a resume no step is there twice or missing.

    Args:
        path: File of the records; rewritten whole under a temporary name, then moved into place.

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
        """Return what a resumed run needs; Accelerate saves it."""
        return {"records": self.records}

    def load_state_dict(self, state: dict[str, list[dict[str, float]]]) -> None:
        """Load what `state_dict` returned."""
        self.records = [_rename_metrics(record) for record in state["records"]]

    def lowest(self, metric: str) -> float:
        """Return the least finite value of a metric in all records; infinity where no record has one."""
        return min(filter(math.isfinite, (record.get(metric, math.inf) for record in self.records)), default=math.inf)

    def write(self) -> None:
        """Write the records to the file."""
        partial = self.path.with_suffix(".partial")
        partial.write_text("".join(json.dumps(record) + "\n" for record in self.records))
        partial.replace(self.path)


def read_history(path: Path) -> list[dict[str, float]]:
    """Read the validation records of a run, of this version or an earlier one.

    Args:
        path: File that `History` wrote.

    Returns:
        The records in order of their steps, with the metrics under their names of today.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "history.jsonl"
        ...     _ = path.write_text('{"step": 10, "velocity_error": 0.5}')
        ...     read_history(path)
        [{'step': 10, 'prediction_error': 0.5}]
    """
    return [_rename_metrics(json.loads(line)) for line in path.read_text().splitlines()]


def _rename_metrics(record: dict[str, Value]) -> dict[str, Value]:
    return {RENAMED_METRICS.get(name, name): value for name, value in record.items()}


class RecentLosses:
    """Running mean of each loss over about the last hundred steps of this process, saved with the state of a run.

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
        """Names of the losses to their means."""
        return {name: round(float(mean), 5) for name, mean in self._means.items()}

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run needs; Accelerate saves it."""
        return {"steps": self._steps, "means": self._means}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Load what `state_dict` returned."""
        self._steps, self._means = state["steps"], _rename_metrics(state["means"])

    def add(self, losses: dict[str, torch.Tensor]) -> None:
        """Add the losses of a step, by name, scalars on any device."""
        self._steps += 1
        for name, loss in losses.items():
            loss = loss.detach().float()
            mean = self._means.get(name, loss).to(loss.device)  # a state is read on the CPU
            self._means[name] = torch.lerp(mean, loss, 1 / min(self._steps, 100))
