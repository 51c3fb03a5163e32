"""What a training has found so far: the records of its validations, and the losses of its last steps."""

import json
import math
from pathlib import Path
from typing import Any

import torch


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

    def lowest(self, figure: str) -> float:
        """The least of a figure in all records; infinite where none has it."""
        return min(filter(math.isfinite, (record.get(figure, math.inf) for record in self.records)), default=math.inf)

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
