"""Worker processes that render songs: end them with their parent, and remove unfinished songs of killed runs."""

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
except ImportError:  # Windows: unfinished songs of killed runs stay
    fcntl = None


UNFINISHED = ".unfinished"
"""Suffix of the folder of a song that is being written."""


@contextmanager
def remove_unfinished(root: Path) -> Iterator[None]:
    """Remove unfinished songs of killed runs from `root`, before and after the work of the context.

    Args:
        root: Folder of the corpus.
    """
    if fcntl is None:
        yield
        return
    handle = os.open(root, os.O_RDONLY)
    try:
        _remove_unless_in_use(root, handle)
        fcntl.flock(handle, fcntl.LOCK_SH)
        yield
        # Workers outlive a killed run by a moment, long enough to begin a song after the first removal.
        _remove_unless_in_use(root, handle)
    finally:
        os.close(handle)


def _remove_unless_in_use(root: Path, handle: int) -> None:
    """Remove the unfinished songs, unless another run holds the lock: then they may be its own."""
    assert fcntl is not None  # as `remove_unfinished` has made sure
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return
    for unfinished in root.glob(f".song_*{UNFINISHED}*"):
        removed = unfinished.with_name(f"{unfinished.name}.removed")
        # Renamed first, so that a worker that still writes there cannot give a half-removed folder its final name.
        with suppress(FileNotFoundError):  # that worker has just finished
            unfinished.rename(removed)
        shutil.rmtree(removed, ignore_errors=True)


def start_worker() -> None:
    """Initialize a worker process: on one thread, and ending with its parent."""
    torch.set_num_threads(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this process when its parent ends: after a kill the workers would go on, and then wait for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
