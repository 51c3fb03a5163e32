"""Options of `latentstem accompany` for weights that know musical controls."""

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from latentstem.cli.errors import UsageError, finite, library_errors

if TYPE_CHECKING:
    from latentstem.conditioning import Controls
    from latentstem.pipelines.stem_accompaniment import StemAccompanimentPipeline

_PANEL = "Controls (of weights that know them)"

Bpm = Annotated[
    float | None,
    typer.Option(help="Tempo of MIX in beats per minute, 4 to 1000.", rich_help_panel=_PANEL),
]
Downbeat = Annotated[
    float,
    typer.Option(callback=finite, help="Second of MIX at which a bar of four beats begins.", rich_help_panel=_PANEL),
]
Chords = Annotated[
    str | None,
    typer.Option(
        metavar="TEXT|FILE",
        help='Chords of MIX, as "C:0 Am7:2.5" with seconds, or bars at --bpm, as "| C | Am7 F |"; or a file of them.',
        rich_help_panel=_PANEL,
    ),
]
ChordsScale = Annotated[
    float | None,
    typer.Option(
        callback=finite,
        help="How strongly the stem follows --chords, e.g. 3 where MIX has others. Default: as strongly as MIX.",
        rich_help_panel=_PANEL,
    ),
]
Density = Annotated[
    float | None,
    typer.Option(help="Notes per second of the stem.", rich_help_panel=_PANEL),
]
Register = Annotated[
    float | None,
    typer.Option(help="Mean MIDI pitch of the stem, 0 to 127.", rich_help_panel=_PANEL),
]


def read_controls(options: dict[str, Any]) -> "Controls":
    """Read the controls among the options.

    Args:
        options: All options by name.

    Raises:
        UsageError: A number is out of range, a chart or its file cannot be read, or there is no tempo for it.
    """
    from latentstem.conditioning import Controls

    given = {name: options[name] for name in ("bpm", "downbeat", "chords", "density", "register")}
    if given["chords"] is not None:
        given["chords"] = _read_chart(given["chords"])
    with library_errors():
        return Controls(**given)


def check_controls(controls: "Controls", pipe: "StemAccompanimentPipeline", weights: str) -> None:
    """Refuse controls that the net of a pipeline does not know.

    Args:
        controls: Controls that are given.
        pipe: Pipeline with the net.
        weights: Name or folder of its weights.

    Raises:
        UsageError: The net does not know one of them.
    """
    from latentstem.pipelines.controls import known_controls, unknown_controls

    if unknown := unknown_controls(controls, pipe):
        known = ", ".join(known_controls(pipe)) or "none"
        raise UsageError(
            f"the weights {weights} have no control {', '.join(unknown)} (they have: {known}); "
            "leave the option out, or give weights trained with `latentstem train unet --controls`"
        )


def _read_chart(text: str) -> str:
    """Return a chart, or the one in the file of that name."""
    with suppress(OSError):  # of a text too long for a name
        if Path(text).is_file():
            try:
                return Path(text).read_text(encoding="utf-8")
            except UnicodeDecodeError as error:
                raise UsageError(
                    f"{text}: is no text of chords; expected C:0 Am7:2.5, or bars: | C | Am7 F |"
                ) from error
    return text
