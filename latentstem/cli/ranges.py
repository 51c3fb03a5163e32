"""Ranges of a stem on the command line: seconds that stay, or seconds or bars that are made anew."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from latentstem.cli.errors import UsageError
from latentstem.cli.options import EDIT

if TYPE_CHECKING:
    from latentstem.pipelines.init_stem import Ranges

BEATS_PER_BAR = 4
_ROUNDING = 0.005  # seconds that a stem may be shorter than its bars

Keep = Annotated[
    list[str] | None,
    typer.Option(
        metavar="START:END",
        help="Seconds of STEM that stay as they are, e.g. 0:8, :8 or 12:; give it again for several ranges. "
        "No minutes: 1:30 is from 1 s to 30 s.",
        rich_help_panel=EDIT,
    ),
]
Redo = Annotated[
    list[str] | None,
    typer.Option(
        metavar="START:END",
        help="Seconds of STEM that are made anew, while all others stay; as --keep otherwise.",
        rich_help_panel=EDIT,
    ),
]
Bars = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FIRST:LAST",
        help="Bars of STEM that are made anew, LAST included, e.g. 5:8, of four beats at --bpm, from 1 at --downbeat.",
        rich_help_panel=EDIT,
    ),
]


def read_kept_ranges(
    options: dict[str, Any], bars: str = "bars", beats_per_bar: int = BEATS_PER_BAR, duration: float | None = None
) -> "Ranges | None":
    """Read which ranges of a stem stay.

    Args:
        options: All options by name.
        bars: Name of the option for bars that are made anew.
        beats_per_bar: Number of beats in a bar.
        duration: Length of the stem in seconds; None reads it from the stem's file.

    Returns:
        Ranges in seconds, with None for the end of the stem; None where none of the options is given.

    Raises:
        UsageError: A range cannot be read or begins after the stem, there are several of the options, there is no stem,
            or there are bars without a tempo.
        latentstem.AudioError: The stem cannot be read.
    """
    flags = {name: f"--{name.replace('_', '-')}" for name in ("keep", "redo", bars) if options[name]}
    if len(flags) > 1:
        raise UsageError(f"got {' and '.join(flags.values())}; give one of them: each says which parts stay")
    if not flags:
        return None
    ((name, flag),) = flags.items()
    if name == "keep":
        return [_seconds(flag, text) for text in options[name]]
    if name == "redo":
        redone = [_seconds(flag, text) for text in options[name]]
    elif options["bpm"] is None:
        raise UsageError(f"{flag} are counted at a tempo; give --bpm too")
    else:
        bar = beats_per_bar * 60 / options["bpm"]
        redone = [_bars(flag, text, bar, options.get("downbeat", 0.0)) for text in options[name]]
    if options["init"] is None:
        raise UsageError(f"{flag} says which part of a stem is made anew; give the stem as --init")
    if duration is None:
        from latentstem.audio.io import AudioReader

        duration = AudioReader(options["init"], options["max_duration"]).duration
    for text, (start, end) in zip(options[name], redone, strict=True):
        if not 0 <= start < (duration if end is None else min(end, duration)):
            raise UsageError(f"{flag} {text}: expected a part of {options['init']}, which lasts {duration:.3f} s")
    kept = ranges_between(redone, duration)
    if not kept:
        raise UsageError(f"{flag} makes all of {options['init']} anew; leave both out, or give less of it")
    return kept


def ranges_between(ranges: Sequence[tuple[float, float | None]], duration: float) -> "Ranges":
    """Return what lies before, between and after ranges.

    Args:
        ranges: Ranges in seconds, in any order, with None for the end.
        duration: Length of the whole in seconds.

    Example:
        >>> ranges_between([(8.0, 12.0), (0.0, 2.0)], duration=20.0)
        [(2.0, 8.0), (12.0, None)]
        >>> ranges_between([(8.0, None)], duration=20.0)
        [(0.0, 8.0)]
    """
    between: list[tuple[float, float | None]] = []
    last = 0.0
    for start, end in sorted(ranges, key=lambda own: own[0]):
        if start > last:
            between.append((last, start))
        last = max(last, duration if end is None else end)
    return between if last > duration - _ROUNDING else [*between, (last, None)]


def _seconds(option: str, text: str) -> tuple[float, float | None]:
    """Convert "8:12", ":8" or "12:" to seconds as the pipeline takes them."""
    start, colon, end = text.partition(":")
    try:
        if colon:
            return float(start or 0), float(end) if end else None
    except ValueError:
        pass
    raise UsageError(f"{option} is {text!r}; expected START:END in seconds, e.g. 0:8, :8 or 12:")


def _bars(flag: str, text: str, bar: float, downbeat: float) -> tuple[float, float]:
    """Convert "5:8", or "5" for a single bar, to seconds."""
    first, _, last = text.partition(":")
    try:
        numbers = int(first), int(last or first)
    except ValueError:
        numbers = (0, 0)
    if not 1 <= numbers[0] <= numbers[1]:
        raise UsageError(f"{flag} is {text!r}; expected FIRST:LAST, counted from 1, e.g. 5:8, or one bar, 5")
    return max(downbeat + (numbers[0] - 1) * bar, 0.0), downbeat + numbers[1] * bar
