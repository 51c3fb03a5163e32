"""Arrays that are computed once and kept in a file."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np


def cached_arrays(path: Path, compute: Callable[[], Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Read arrays from a file, or compute and write them, whole or not at all.

    Args:
        path: File ending in `.npz`; its folder is created if absent.
        compute: Function that returns the arrays by name, called if there is no file.

    Returns:
        The arrays by name.
    """
    if path.is_file():
        with np.load(path, allow_pickle=False) as stored:
            return dict(stored)
    arrays = dict(compute())
    path.parent.mkdir(parents=True, exist_ok=True)
    # Of this process alone: two benchmarks may fill one cache at once.
    unfinished = path.with_suffix(f".{os.getpid()}.unfinished.npz")
    np.savez(unfinished, allow_pickle=False, **arrays)
    unfinished.rename(path)
    return arrays
