"""Options of every training: its data, its optimisation, and the run itself."""

from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import ClassVar


@dataclass(frozen=True)
class RunOptions:
    """Options of every training.

    `GROUPS` begins the groups in which `latentstem.training.engine.arguments` shows the options of a class: the first
    field of a group to the title of the group.

    Args:
        data: Folder of tracks to train on, `<data>/<track>/<stem>.wav|flac`.
        output: Folder for the training state, the logs and the trained weights.
        validation: Folder of tracks to validate on; without it nothing is validated.
        target: Name of the stem to generate.
        workers: Number of processes that load audio.
        steps: Number of optimiser steps.
        minutes: Time limit in minutes, over all starts of the training; without it there is no limit.
        learning_rate: Peak learning rate.
        mixed_precision: Precision of the nets, "no", "bf16", or "auto" for bf16 where the machine computes in it.
        ema_decay: Decay of the exponential moving average of the weights.
        save_minutes: Minutes between saves of the training state.
        validations: Number of validations, evenly spread over the training; the weights of the best one are published.
        seed: Seed of the weights and of all draws.
    """

    GROUPS: ClassVar[dict[str, str]] = {
        "data": "Data",
        "output": "Run",
        "validation": "Data",
        "steps": "Optimisation",
        "save_minutes": "Run",
    }

    data: Path | None
    output: Path
    _: KW_ONLY
    validation: Path | None = None
    target: str = "bass"
    workers: int = 0
    steps: int = 100_000
    minutes: float | None = None
    learning_rate: float = 1e-3
    mixed_precision: str = "auto"
    ema_decay: float = 0.999
    save_minutes: float = 10.0
    validations: int = 10
    seed: int = 0
