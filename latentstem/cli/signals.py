"""Raise KeyboardInterrupt on SIGINT and SIGTERM, so that an interrupted run leaves no temporary file behind."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_interruptions: list[int] = []


@contextmanager
def interruptible() -> Iterator[None]:
    """Raise KeyboardInterrupt on SIGINT and SIGTERM within the context."""
    _interruptions.clear()
    if threading.current_thread() is not threading.main_thread():  # only the main thread can handle signals
        yield
        return
    before = {number: signal.signal(number, _interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def stop_if_interrupted() -> None:
    """Raise KeyboardInterrupt again if it was lost: Python drops an exception that is raised inside a finaliser."""
    if _interruptions:
        raise KeyboardInterrupt


def _interrupt(number: int, _: object) -> None:
    _interruptions.append(number)
    raise KeyboardInterrupt
