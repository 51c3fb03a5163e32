"""User-facing errors of the command line and their exit codes."""

import errno
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

OPTIONS = {
    "bars": "--bars",
    "beats_per_bar": "--beats-per-bar",
    "bpm": "--bpm",
    "chords": "--chords",
    "condition_scales": "--chords-scale",
    "control": "--control",
    "guidance_rescale": "--guidance-rescale",
    "guidance_scale": "--guidance-scale",
    "init_loop": "--init",
    "init_stem": "--init",
    "keep": "--keep",
    "keep_best": "--keep-best",
    "loop": "--loop",
    "num_inference_steps": "--steps",
    "num_waveforms_per_prompt": "--count",
    "prompt": "--prompt",
    "reference": "--reference",
    "reference_strength": "--reference-strength",
    "strength": "--strength",
    "style": "--style",
    "style_space": "--style-space",
    "style_strength": "--style-strength",
    "style_weights": "--blend",
    "target": "--target",
}
"""Options by the arguments of the pipeline's call that they stand for."""


class CommandError(Exception):
    """A failure that is reported in one line, with exit code 1."""

    code = 1


class UsageError(CommandError):
    """A failure that the caller can mend, with exit code 2."""

    code = 2


@contextmanager
def library_errors() -> Iterator[None]:
    """Turn a ValueError of the library into a `UsageError`, with options in place of the call's arguments."""
    try:
        yield
    except ValueError as error:
        from latentstem.pipelines.errors import ArgumentError

        if os.environ.get(TRACEBACK):
            raise
        message = error.renamed(OPTIONS) if isinstance(error, ArgumentError) else str(error)
        raise UsageError(message) from error


def explain(error: Exception) -> CommandError:
    """Return the error to report in its place; with `TRACEBACK` set, raise an unexpected one again."""
    if isinstance(error, CommandError):
        return error
    if os.environ.get(TRACEBACK):
        raise error
    if isinstance(error, latentstem.AudioError):
        return UsageError(str(error))
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        return UsageError(f"{error.filename!s:.60}...: is longer than a path may be; choose a shorter one")
    return CommandError(f"{type(error).__name__}: {error} (set {TRACEBACK}=1 to see where)")


def one_line(message: object) -> str:
    """Return the message without its line breaks."""
    return " ".join(str(message).split())


def require_extras(what: str, extras: str, *modules: str) -> None:
    """Refuse an option or a command whose packages are not installed.

    Args:
        what: Option or command that needs the packages.
        extras: Extras with which pip installs the packages, separated by commas.
        modules: Full names of the modules to import.

    Raises:
        UsageError: A module cannot be imported.
    """
    for module in modules:
        try:
            importlib.import_module(module)
        except ImportError as error:
            # The pip of another Python, often the first on the path, would not find this installation.
            pip = f"{shlex.quote(sys.executable)} -m pip"
            raise UsageError(
                f"{what} needs packages that cannot be imported ({one_line(error)}); "
                f'{pip} install "latentstem[{extras}]"'
            ) from error


def finite(value: float | None) -> float | None:
    """Refuse NaN and Inf as the value of an option."""
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter(f"{value} is not a finite number.")
    return value


def above_zero(value: float) -> float:
    """Refuse NaN, Inf, 0 and negative numbers as the value of an option."""
    if not 0 < value < math.inf:
        raise typer.BadParameter(f"{value:g} is not a finite number above 0.")
    return value
