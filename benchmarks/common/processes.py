"""A pool of processes that analyzes songs in parallel, under a progress bar."""

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any

import torch
from rich.progress import track

Each = Callable[..., list[Any]]
"""`each(function, description, *columns)` applies a function to the entries of every song, in order."""


@contextmanager
def processes(count: int) -> Iterator[Each]:
    """Yield a function `Each`; with one process it computes in this one."""
    if count == 1:
        yield lambda function, description, *columns: _collect(map(function, *columns), description, columns)
        return
    # Spawned, not forked: torch and the caller's threads do not survive a fork.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(count, mp_context=context, initializer=torch.set_num_threads, initargs=(1,))
    try:
        yield lambda function, description, *columns: _collect(_results(pool, function, columns), description, columns)
    finally:
        pool.shutdown(cancel_futures=True)


def _results(
    pool: ProcessPoolExecutor, function: Callable[..., Any], columns: Sequence[Sequence[Any]]
) -> Iterator[Any]:
    # The first song is analyzed in this process: numba compiles librosa's functions on first use, and two processes
    # that write its cache at once can leave a broken one, which crashes every later process (numba/numba#10128).
    yield function(*(column[0] for column in columns))
    yield from pool.map(function, *(column[1:] for column in columns))


def _collect(results: Iterator[Any], description: str, columns: Sequence[Sequence[Any]]) -> list[Any]:
    return list(track(results, description=description, total=len(columns[0])))
