"""Run a function in a thread, stream its results, and cancel it when the consumer stops."""

import threading
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, TypeVar

Item = TypeVar("Item")

_END = object()


class Stopped(Exception):
    """Raised by `emit` in work that was cancelled."""


def in_background(
    work: Callable[[Callable[[Item | None], None]], None], stop: threading.Event | None = None
) -> Generator[Item, None, None]:
    """Run a function in a thread and yield what it emits, while it goes on.

    Closing the iterator, or setting `stop`, makes the next `emit` raise `Stopped`; the iterator ends when the work has
    unwound.

    Args:
        work: Called with `emit`, which takes one item; with None it only raises `Stopped` if the work was cancelled.
        stop: Event that cancels the work when it is set; None leaves that to closing the iterator.

    Yields:
        The items in their order; afterwards an exception of `work` is raised.

    Example:
        >>> from latentstem.ui.background import in_background
        >>> def count(emit):
        ...     for number in range(1_000_000):
        ...         emit(number)
        >>> numbers = in_background(count)
        >>> next(numbers), next(numbers)
        (0, 1)
        >>> numbers.close()  # the other 999,998 are never counted
    """
    items: SimpleQueue[Any] = SimpleQueue()
    closed = threading.Event()

    def emit(item: Item | None) -> None:
        if closed.is_set() or (stop is not None and stop.is_set()):
            raise Stopped
        if item is not None:
            items.put(item)

    def run() -> None:
        try:
            with suppress(Stopped):
                work(emit)
        finally:
            items.put(_END)

    with ThreadPoolExecutor(1) as executor:  # its end waits for the thread
        future = executor.submit(run)
        try:
            while (item := items.get()) is not _END:
                yield item
        finally:
            closed.set()
    future.result()
