"""What the caller can mend, and what turns other errors into it."""

import importlib
import math
import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

import latentstem

TRACEBACK = "LATENTSTEM_TRACEBACK"
"""Environment variable: set to anything, unexpected errors come with their traceback."""


class CommandError(Exception):
    """What is said in one line and nothing more: a failure, exit code 1."""

    code = 1


class UsageError(CommandError):
    """Something the caller can mend: exit code 2."""

    code = 2


@contextmanager
def library_errors() -> Iterator[None]:
    """What the library refuses by ValueError is the caller's to mend."""
    try:
        yield
    except ValueError as error:
        if os.environ.get(TRACEBACK):
            raise
        raise UsageError(str(error)) from error


def explained(error: Exception) -> CommandError:
    """The error as what is to be said of it; with `TRACEBACK` set, an unexpected one is raised again."""
    if isinstance(error, CommandError):
        return error
    if os.environ.get(TRACEBACK):
        raise error
    if isinstance(error, latentstem.AudioError):
        return UsageError(str(error))
    return CommandError(f"{type(error).__name__}: {error} (set {TRACEBACK}=1 to see where)")


def one_line(message: object) -> str:
    """The message without its line breaks."""
    return " ".join(str(message).split())


def require_extras(what: str, extras: str, *modules: str) -> None:
    """Refuse now what could not be done later, for want of packages.

    Args:
        what: the option or command that needs them.
        extras: with which pip installs them, separated by commas.
        modules: that have to be there, by their full names.

    Raises:
        UsageError: one is missing.
    """
    for module in modules:
        try:
            importlib.import_module(module)
        except ImportError as error:
            # The pip of another Python, often the first on the path, would not find this installation.
            pip = f"{shlex.quote(sys.executable)} -m pip"
            raise UsageError(
                f'{what} needs what cannot be imported ({one_line(error)}); {pip} install "latentstem[{extras}]"'
            ) from error


def finite(value: float | None) -> float | None:
    """Refuse NaN and Inf as the value of an option."""
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter(f"{value} is not a finite number.")
    return value
