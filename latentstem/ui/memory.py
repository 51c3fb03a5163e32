"""Memory of a server that works in many threads, where the C library is glibc; elsewhere nothing here does anything.

By default glibc gives threads heaps of their own, up to eight a core, which keep what was freed in them. A server that
makes one stem after another, each in a new thread, grew by hundreds of MB of which nothing was in use.
"""

import ctypes
from contextlib import suppress
from typing import Any

_M_ARENA_MAX = -8  # of malloc.h
_HEAPS = 2


def share_heaps() -> None:
    """Let all threads share two heaps; call this before anything starts a thread, PyTorch included.

    Example:
        >>> share_heaps()  # doctest: +SKIP
    """
    with suppress(OSError, AttributeError, TypeError):
        _libc().mallopt(_M_ARENA_MAX, _HEAPS)


def release_memory() -> None:
    """Give memory that is free back to the system, which takes some milliseconds.

    Example:
        >>> release_memory()
    """
    with suppress(OSError, AttributeError, TypeError):
        _libc().malloc_trim(0)


def _libc() -> Any:
    return ctypes.CDLL(None)
