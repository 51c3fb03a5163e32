"""Counts what a campaign of broken inputs does: whatever is neither a clear refusal nor a finite result is a fault."""

import linecache
import math
import numbers
import signal
import sys
from collections import defaultdict
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch

import latentstem

ROOT = Path(latentstem.__file__).parent
SECONDS = 60  # far more than any case takes on a slow machine: a hang takes hours
BYTES = 2 << 30  # of address space beyond what the process has


class Hang(BaseException):
    """Raised in a case that takes too long; no handler of exceptions stops it."""


class Campaign:
    """Runs cases and keeps the names of those that went wrong, by the kind of fault.

    Attributes:
        faults: Names and errors by kind: crash, hang, memory, not finite, half-written, unclear.
        refused: Number of cases that were refused.
        served: Number of cases with a result.
    """

    def __init__(self):
        self.faults = defaultdict(list)
        self.refused = self.served = 0

    def attempt(self, name, call, *arguments, errors=(ValueError, TypeError)):
        """Run one case and return its result, or None where it was refused or went wrong."""
        try:
            with limits():
                result = call(*arguments)
            if not all_finite(result):
                self.faults["not finite"].append(name)
            self.served += 1
            return result
        except Hang:
            self.faults["hang"].append(name)
        except MemoryError as error:
            self.faults["memory"].append(f"{name}: {error}")
        except Exception as error:
            kind = self._kind(error, errors)
            if kind is None:
                self.refused += 1
            else:
                self.faults[kind].append(f"{name}: {type(error).__name__}: {error}"[:300])
        return None

    @staticmethod
    def _kind(error, errors):
        """Kind of fault that an error is; None for a refusal."""
        if "allocate memory" in str(error):
            return "memory"
        if not isinstance(error, errors):
            return "crash"
        return None if is_ours(error) and is_clear(error) else "unclear"

    def assert_clean(self):
        """Show all faults at once."""
        assert not self.faults, "\n".join(f"{kind}: {case}" for kind, cases in self.faults.items() for case in cases)


def is_ours(error):
    """Whether a `raise` of the package raised the error, and not something that it called."""
    trace = error.__traceback__
    while trace.tb_next is not None:
        trace = trace.tb_next
    file = Path(trace.tb_frame.f_code.co_filename)
    return ROOT in file.parents and linecache.getline(str(file), trace.tb_lineno).lstrip().startswith("raise")


def is_clear(error):
    """Whether the message is a line that says something."""
    message = str(error)
    return 15 < len(message) < 2000 and "\n" not in message.strip() and "Traceback" not in message


def all_finite(value):
    """Whether all numbers of a result are finite, in whatever it holds them."""
    if isinstance(value, torch.Tensor):
        return not (value.is_floating_point() or value.is_complex()) or bool(torch.isfinite(value).all())
    if isinstance(value, np.ndarray):
        return value.dtype.kind not in "fc" or bool(np.isfinite(value).all())
    if isinstance(value, dict):
        return all(map(all_finite, value.values()))
    if isinstance(value, list | tuple):
        return all(map(all_finite, value))
    return not isinstance(value, numbers.Real) or math.isfinite(value)


@contextmanager
def limits():
    """Bound time and memory, where the system can."""
    if sys.platform != "linux":
        yield
        return
    import resource

    def stop(*_):
        raise Hang

    before = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    handler = signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    resource.setrlimit(resource.RLIMIT_AS, (used + BYTES, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
        signal.alarm(0)
        signal.signal(signal.SIGALRM, handler)


@pytest.fixture(scope="session")
def campaigns():
    """Makes a campaign, for tests that hypothesis runs many times."""
    return Campaign


@pytest.fixture
def campaign():
    return Campaign()


@pytest.fixture(scope="session")
def odd_values():
    """Values that no field and no argument means to take, and some that it may."""
    numbers_ = [0, -1, 1, 2, 3, 64, 255, 10**6, 10**9, 2**31, 2**63, 10**30, 0.5, 1.5, -2.5, 1e-30, 1e18, 1e30, 1e300]
    others = [math.nan, math.inf, -math.inf, "", "7", "nan", "x" * 2000, None, True, False]
    nested = [
        [],
        {},
        (),
        [1],
        [1, 2, 3],
        [[1.0]],
        [None],
        [math.nan],
        {"a": 1},
        {"mix": -1},
        {"a.b": 2},
        b"\xff",
        [1] * 500,
    ]
    return [*numbers_, *others, *nested]


@pytest.fixture(scope="session")
def tiny(build_pipeline):
    """A whole pipeline that makes a stem in a moment."""
    return build_pipeline(carriers=8, with_reranker=True)
