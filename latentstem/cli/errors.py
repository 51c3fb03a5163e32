"""What the caller can mend, and what turns other errors into it."""

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager

import typer

TRACEBACK = "LATENTSTEM_TRACEBACK"
"""Environment variable: set to anything, unexpected errors come with their traceback."""


class UsageError(Exception):
    """Something the caller can mend: exit code 2."""


@contextmanager
def library_errors() -> Iterator[None]:
    """What the library refuses by ValueError is the caller's to mend."""
    try:
        yield
    except ValueError as error:
        if os.environ.get(TRACEBACK):
            raise
        raise UsageError(str(error)) from error


def finite(value: float | None) -> float | None:
    """Refuse NaN and Inf as the value of an option."""
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter(f"{value} is not a finite number.")
    return value
