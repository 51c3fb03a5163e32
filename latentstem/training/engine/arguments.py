"""A training's settings from words of a command line: the dataclass is the one place where options are listed."""

import argparse
import inspect
import json
import re
import types
from collections.abc import Sequence
from dataclasses import MISSING, fields
from typing import Any, NoReturn, TypeVar, Union, get_args, get_origin

Settings = TypeVar("Settings")


def parse_settings(settings: type[Settings], words: Sequence[str] | None = None, prog: str | None = None) -> Settings:
    """Read a frozen dataclass of settings from the command line: field `batch_size` is option `--batch-size`.

    Fields without a default are required, unless they may be None; tuples take several words; a dict takes one of JSON.
    The help of an option is the field's line in the docstring's `Args`.

    Args:
        settings: the dataclass; fields of type str, int, float, bool, Path, tuple of one of them, dict, or None
            besides.
        words: without the program's name; those of this process by default.
        prog: what the help calls the program.

    Returns:
        The settings.

    Example:
        >>> from dataclasses import dataclass
        >>> from pathlib import Path
        >>> @dataclass(frozen=True)
        ... class Walk:
        ...     goal: Path
        ...     steps: int = 10
        ...     rests: tuple[int, ...] = (3, 7)
        >>> parse_settings(Walk, ["--goal", "home", "--rests", "5"])
        Walk(goal=PosixPath('home'), steps=10, rests=(5,))
    """
    summary, described = _documented(inspect.getdoc(settings) or "")
    parser = _OneLineParser(prog, description=summary, allow_abbrev=False, formatter_class=_wide_columns)
    for field in fields(settings):  # pyright: ignore[reportArgumentType]
        required = field.default is MISSING and type(None) not in get_args(field.type)
        default = "" if field.default in (MISSING, None) else f" Default: {_shown(field.default)}."
        parser.add_argument(
            f"--{field.name.replace('_', '-')}",
            required=required,
            default=None if field.default is MISSING else field.default,
            help=(described.get(field.name, "") + default).replace("%", "%%"),
            **_reader(field.type),
        )
    values = vars(parser.parse_args(words))
    tuples = {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
    return settings(**{**values, **tuples})


class _OneLineParser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {' '.join(message.split())}; --help lists the options\n")


def _wide_columns(prog: str) -> argparse.HelpFormatter:
    return argparse.HelpFormatter(prog, max_help_position=36)


def _reader(annotation: Any) -> dict[str, Any]:
    """How argparse is to read a field of this type."""
    if get_origin(annotation) in (Union, types.UnionType):
        (annotation,) = (part for part in get_args(annotation) if part is not type(None))
    if annotation is bool:
        return {"action": "store_true"}  # so the default of a flag is False
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is tuple:
        fixed = ... not in parts
        return {"type": parts[0], "nargs": len(parts) if fixed else "+", "metavar": parts[0].__name__.upper()}
    if origin is dict:
        return {"type": _json_object, "metavar": "JSON"}
    return {"type": annotation, "metavar": annotation.__name__.upper()}


def _json_object(word: str) -> dict[str, Any]:
    value = json.loads(word)
    if not isinstance(value, dict):
        raise ValueError(f'expected a JSON object such as {{"channels": 256}}, got {word}')
    return value


def _shown(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _documented(docstring: str) -> tuple[str, dict[str, str]]:
    """Summary line, and argument to description, of a Google-style docstring without its margin."""
    summary = docstring.partition("\n")[0]
    arguments = docstring.partition("Args:\n")[2].partition("\n\n")[0]
    entries = re.findall(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", arguments, re.MULTILINE)
    return summary, {name: " ".join(text.split()) for name, text in entries}
