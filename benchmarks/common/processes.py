"""A pool of processes for what the benchmarks measure song by song."""

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any

import torch
from rich.progress import track

Each = Callable[..., list[Any]]
"""`each(function, description, *columns)`: the function of every song's entries, in order, under a progress bar."""


@contextmanager
def processes(count: int) -> Iterator[Each]:
    """Gives the function `Each`; with one process it computes here."""
    if count == 1:
        yield lambda function, description, *columns: _all(map(function, *columns), description, columns)
        return
    # Spawned, not forked: torch and the caller's threads do not survive a fork.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(count, mp_context=context, initializer=torch.set_num_threads, initargs=(1,))
    try:
        yield lambda function, description, *columns: _all(_answers(pool, function, columns), description, columns)
    finally:
        pool.shutdown(cancel_futures=True)


def _answers(
    pool: ProcessPoolExecutor, function: Callable[..., Any], columns: Sequence[Sequence[Any]]
) -> Iterator[Any]:
    # The first song is measured here. librosa's functions are compiled by numba on first use, and two processes that
    # write its cache at once can leave one that crashes whoever reads it, now and later (numba/numba#10128).
    yield function(*(column[0] for column in columns))
    yield from pool.map(function, *(column[1:] for column in columns))


def _all(answers: Iterator[Any], description: str, columns: Sequence[Sequence[Any]]) -> list[Any]:
    return list(track(answers, description=description, total=len(columns[0])))
