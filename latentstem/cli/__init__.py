"""The command line: `latentstem accompany`, `bassnet`, `loop`, `listen`, `ui`, `serve`, `corpus`, `data`, `train` and
`evaluate`.

Every error is one line on standard error, with exit code 2 if the caller can mend it in the command or its files, and
1 for a failure or an interruption.
"""

import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import typer

import latentstem
from latentstem.cli.accompany import accompany
from latentstem.cli.bassnet import bassnet
from latentstem.cli.data import corpus, data_app
from latentstem.cli.errors import UsageError, explain, one_line
from latentstem.cli.evaluate import evaluate
from latentstem.cli.listen import listen
from latentstem.cli.loading import choose_device, load_pipeline
from latentstem.cli.loop import loop
from latentstem.cli.serve import serve
from latentstem.cli.signals import interruptible
from latentstem.cli.train import train_app
from latentstem.cli.ui import ui

__all__ = ["UsageError", "app", "choose_device", "load_pipeline", "main"]

app = typer.Typer(
    name="latentstem",
    help="Give it a mix, get a bass that fits.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.add_typer(data_app, name="data")
app.add_typer(train_app, name="train")

_TYPER_INTERRUPTED = 130
_INTERRUPTED = "interrupted; the files reported above are complete"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 0, 1 (failed, interrupted) or 2 (bad usage or input).

    Args:
        arguments: Words after the program's name; None takes those of this process.

    Example:
        >>> from latentstem.cli import main
        >>> main(["--version"])
        latentstem 0.2.0
        0
    """
    command = typer.main.get_command(app)
    _let_threads_sleep(sys.argv[1:] if arguments is None else arguments)
    try:
        with interruptible(), _one_line_warnings(), _any_names():
            code = command.main(args=arguments, prog_name="latentstem", standalone_mode=False) or 0
        return code if code != _TYPER_INTERRUPTED else _fail(_INTERRUPTED, code=1)
    except SystemExit as exit:  # the options of a training are read by argparse
        return exit.code if isinstance(exit.code, int) else 1
    except typer.TyperException as error:  # unknown options, values out of range
        return _fail(error.format_message(), code=2)
    except (KeyboardInterrupt, typer.Abort):
        return _fail(_INTERRUPTED, code=1)
    except Exception as unexpected:
        error = explain(unexpected)
        return _fail(str(error), error.code)


def _let_threads_sleep(words: Sequence[str]) -> None:
    """Let threads that wait for each other sleep, unless the user has chosen, or a training has the machine for itself.

    By default they spin, and beside a program that holds a core, such as a DAW, the one that is waited for does not get
    its turn. The policy is read when PyTorch is loaded.
    """
    if words[:1] != ["train"]:
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def _fail(message: str, code: int) -> int:
    if message:  # empty without arguments, where typer has printed the help
        print("error:", one_line(message), file=sys.stderr)
    return code


@contextmanager
def _one_line_warnings() -> Iterator[None]:
    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        print("note:", one_line(message), file=sys.stderr)

    with warnings.catch_warnings():
        warnings.showwarning = show
        warnings.filterwarnings("ignore", category=FutureWarning)
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        yield


@contextmanager
def _any_names() -> Iterator[None]:
    """Print names of files that are not UTF-8 with their bytes as escapes, in place of an error."""
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is None:  # not a text stream, or a program without a console
        yield
        return
    before = sys.stdout.errors
    reconfigure(errors="backslashreplace")
    try:
        yield
    finally:
        reconfigure(errors=before)


def _print_version(requested: bool) -> None:
    if requested:
        print(f"latentstem {latentstem.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


app.command()(accompany)
app.command()(bassnet)
app.command()(loop)
app.command()(listen)
app.command()(ui)
app.command()(serve)
app.command()(corpus)
app.command()(evaluate)
