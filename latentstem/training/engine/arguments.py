"""Command-line options of a training, read from the fields and the docstring of its dataclass of settings."""

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
    The help of an option is the field's line in the docstring's `Args`, of the class that defines the field or of one
    that inherits it. A class may divide its options into groups with an attribute `GROUPS`: the first field of a group
    to the title of the group. The help shows them in alphabetical order.

    Args:
        settings: The dataclass, with fields of type str, int, float, bool, Path, tuple of one of them, dict, or an
            optional one of these.
        words: Words of the command line without the name of the program; None takes those of this process.
        prog: Name of the program in the help.

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
    summary = inspect.cleandoc(settings.__doc__ or "").partition("\n")[0]
    parser = _OneLineParser(
        prog,
        usage="%(prog)s [options]",
        description=summary.replace("`", ""),
        allow_abbrev=False,
        formatter_class=_wide_columns,
    )
    titles, descriptions = _read_classes(settings)
    groups = {title: parser.add_argument_group(title) for title in sorted(set(titles.values()))}
    for field in fields(settings):  # pyright: ignore[reportArgumentType]
        required = field.default is MISSING and type(None) not in get_args(field.type)
        note = _format_default(field.default, required)
        groups.get(titles.get(field.name, ""), parser).add_argument(
            f"--{field.name.replace('_', '-')}",
            required=required,
            default=None if field.default is MISSING else field.default,
            help=(descriptions.get(field.name, "") + note).replace("%", "%%").replace("`", ""),
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
    """Arguments of `add_argument` that read a field of this type."""
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


def _format_default(value: Any, required: bool) -> str:
    if required:
        return " Required."
    if value is MISSING or value is None or value is False or value == ():
        return ""
    return f" Default: {' '.join(map(str, value)) if isinstance(value, tuple) else value}."


def _read_classes(settings: type) -> tuple[dict[str, str], dict[str, str]]:
    """Titles of the groups, and descriptions, of the fields of a dataclass and of those that it inherits from."""
    titles: dict[str, str] = {}
    descriptions: dict[str, str] = {}
    for owner in reversed(settings.__mro__[:-1]):
        title, groups = "", vars(owner).get("GROUPS", {})
        for name in inspect.get_annotations(owner):
            title = groups.get(name, title)
            if title:
                titles[name] = title
        descriptions |= _describe_arguments(inspect.cleandoc(owner.__doc__ or ""))
    return titles, descriptions


def _describe_arguments(docstring: str) -> dict[str, str]:
    """Descriptions of the arguments in a Google-style docstring without its margin."""
    arguments = docstring.partition("Args:\n")[2].partition("\n\n")[0]
    entries = re.findall(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", arguments, re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in entries}
