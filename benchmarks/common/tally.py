"""What the clients of a server under load have met, counted from many threads."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Wait:
    """How long an accepted job has waited for its turn.

    Attributes:
        sent: Time at which the client began to ask for it.
        accepted: Time at which the server had accepted it.
        ahead: Number of jobs before it, as the server told.
        started: Time at which its turn was first seen; None before, and for jobs that were cancelled while they waited.
    """

    sent: float
    accepted: float
    ahead: int = 0
    started: float | None = None


@dataclass
class Tally:
    """Counts of what happened, by name, and one line for each thing that must not happen.

    Attributes:
        counts: How often each thing happened.
        problems: What must not happen.
        waits: The jobs that were accepted.
    """

    counts: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    waits: list[Wait] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def count(self, name: str) -> None:
        """Count something.

        Args:
            name: What happened.
        """
        with self._lock:
            self.counts[name] += 1

    def expect(self, true: bool, problem: str) -> None:
        """Note a problem unless a condition is true.

        Args:
            true: The condition.
            problem: One line about what is wrong without it.
        """
        if not true:
            with self._lock:
                self.problems.append(problem)

    def overtaken(self, tolerance: float = 0.0) -> int:
        """Count the pairs of jobs of which the one that was asked for after the other was accepted had its turn first.

        Args:
            tolerance: Seconds that the times of two turns may be off.
        """
        started = [wait for wait in self.waits if wait.started is not None]
        return sum(
            first.accepted < second.sent and first.started > second.started + tolerance  # type: ignore[operator]
            for first in started
            for second in started
        )

    def describe(self) -> dict[str, Any]:
        """Return what is in a report."""
        waits = [
            {"ahead": wait.ahead, "seconds": round(wait.started - wait.accepted, 2)}
            for wait in self.waits
            if wait.started is not None
        ]
        return {"counts": dict(sorted(self.counts.items())), "problems": self.problems, "waits": waits}


def at_once(tally: Tally, works: Sequence[Callable[[], None]]) -> None:
    """Run functions in threads and wait for all; an error of one is a problem.

    Args:
        tally: Where the problems are noted.
        works: The functions.
    """

    def guarded(work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:
            tally.expect(False, f"{type(error).__name__}: {error}")

    threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def ways(draws: random.Random, until: float, weights: Mapping[str, int]) -> Iterator[str]:
    """Draw one way of a visit after another, with breaks of up to two seconds, until a time.

    Args:
        draws: Source of the draws.
        until: Time of the end by `time.monotonic`.
        weights: How often each way is to come, in proportion.
    """
    while time.monotonic() < until:
        yield draws.choices([*weights], [*weights.values()])[0]
        time.sleep(draws.uniform(0, 2))


def wait_for(condition: Callable[[], bool], seconds: float) -> bool:
    """Ask again and again whether a condition has come true.

    Args:
        condition: The condition.
        seconds: Time after which it is given up.

    Returns:
        Whether it has come true.
    """
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True
