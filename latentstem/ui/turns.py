"""Turns of the work that only one visitor's request may do at a time, in the order in which they asked."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from latentstem.ui.memory import release_memory

_ASK_SECONDS = 0.2


class Turns:
    """A queue of threads, of which the first works and the others wait.

    Example:
        >>> turns = Turns()
        >>> with turns.wait(print):  # nobody is ahead
        ...     pass
    """

    def __init__(self) -> None:
        self._tickets: list[object] = []
        self._changed = threading.Condition()

    @contextmanager
    def wait(self, waiting: Callable[[int | None], None]) -> Iterator[None]:
        """Wait for the turn, and hold it while the block runs.

        Args:
            waiting: Called again and again until the turn has come, with the number of those ahead, or with None if it
                is the same as before; an error that it raises gives up.
        """
        ticket, told = object(), 0
        with self._changed:
            self._tickets.append(ticket)
        try:
            while ahead := self._count_ahead(ticket):
                waiting(None if ahead == told else ahead)
                told = ahead
            try:
                yield
            finally:
                release_memory()
        finally:
            with self._changed:
                self._tickets.remove(ticket)
                self._changed.notify_all()

    def _count_ahead(self, ticket: object) -> int:
        with self._changed:
            if self._tickets[0] is not ticket:
                self._changed.wait(_ASK_SECONDS)
            return self._tickets.index(ticket)
