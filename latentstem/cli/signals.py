"""Ctrl-C and termination: a run that is ended unwinds, so that no temporary file stays behind."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_interruptions: list[int] = []


@contextmanager
def interruptible() -> Iterator[None]:
    """Within it, SIGINT and SIGTERM alike raise KeyboardInterrupt."""
    _interruptions.clear()
    if threading.current_thread() is not threading.main_thread():  # elsewhere Python lets nobody handle signals
        yield
        return
    before = {number: signal.signal(number, _interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def stop_if_interrupted() -> None:
    """Raise again what was lost: Python drops an exception that is raised inside a finaliser, this one too."""
    if _interruptions:
        raise KeyboardInterrupt


def _interrupt(number: int, _: object) -> None:
    _interruptions.append(number)
    raise KeyboardInterrupt
