"""Processes that render: they end with their parent, and what killed ones have left is removed."""

import multiprocessing
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import torch

try:
    import fcntl
except ImportError:  # Windows: what killed runs have left stays
    fcntl = None


UNFINISHED = ".unfinished"


@contextmanager
def swept(root: Path) -> Iterator[None]:
    """Remove what killed runs have left in `root`, before and after being at work there."""
    if fcntl is None:
        yield
        return
    handle = os.open(root, os.O_RDONLY)
    try:
        _sweep(root, handle)
        fcntl.flock(handle, fcntl.LOCK_SH)
        yield
        # Workers outlive a killed run by a moment, long enough to begin a song that the first look did not see.
        _sweep(root, handle)
    finally:
        os.close(handle)


def _sweep(root: Path, handle: int) -> None:
    """Remove the unfinished songs, unless another run is at work: then they may be its own."""
    assert fcntl is not None  # as `swept` has made sure
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return
    for unfinished in root.glob(f".song_*{UNFINISHED}*"):
        removed = unfinished.with_name(f"{unfinished.name}.removed")
        # Renamed first, so that whoever still writes there cannot give a half-removed folder its final name.
        with suppress(FileNotFoundError):  # such a worker has just finished
            unfinished.rename(removed)
        shutil.rmtree(removed, ignore_errors=True)


def start_worker() -> None:
    """Begin in a process that renders: on one thread, and no longer than its parent."""
    torch.set_num_threads(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A killed parent takes its workers along: they would render on, unseen, and then wait for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
