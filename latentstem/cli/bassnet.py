"""`latentstem bassnet`: a bass line for a mix, shaped by the control of BassNet."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from latentstem.audio.formats import check_readable
from latentstem.cli.errors import UsageError, library_errors, require_extras
from latentstem.cli.loading import choose_device, load_bassnet
from latentstem.cli.options import FILES, Device, MaxDuration, Tempo
from latentstem.cli.outputs import check_output

if TYPE_CHECKING:
    from latentstem.pipelines.bassnet_control import ControlPath

STEERING = "Steering"


def bassnet(
    mix: Annotated[
        Path,
        typer.Argument(metavar="MIX", help="The mix: wav, flac, mp3 or ogg, one or two channels, any rate."),
    ],
    weights: Annotated[
        str, typer.Option(metavar="FOLDER", help="Name of shipped weights, or folder of `latentstem train bassnet`.")
    ] = "bassnet-gm",
    control: Annotated[
        str | None,
        typer.Option(
            metavar="X,Y|NAME",
            help="Point of the control, a number a dimension, such as 0.3,-1, or the name of a pattern that the "
            "weights know, such as walking. Default: the origin.",
            rich_help_panel=STEERING,
        ),
    ] = None,
    path: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Path of the control over time: a line of SECONDS X Y for each point.",
            rich_help_panel=STEERING,
        ),
    ] = None,
    like: Annotated[
        Path | None,
        typer.Option(
            metavar="BASS",
            help="Bass that plays along with MIX, whose own control is inferred and used; held in memory whole.",
            rich_help_panel=STEERING,
        ),
    ] = None,
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="OUT", help="File of the line: .wav, .flac, .ogg or .mp3.", rich_help_panel=FILES
        ),
    ] = Path("bassline.wav"),
    midi: Annotated[
        bool,
        typer.Option("--midi", help="Also write the notes, with pitch bends, to OUT.mid.", rich_help_panel=FILES),
    ] = False,
    tempo: Tempo = 120.0,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print one JSON document about the line, for scripts.", rich_help_panel=FILES),
    ] = False,
    device: Device = "auto",
    max_duration: MaxDuration = 10800.0,
) -> None:
    """Write a bass line that fits MIX, played by a plain synthesizer.

    latentstem bassnet mix.wav --control 0.3,-1 --midi
    writes bassline.wav and bassline.mid. Take the line on: latentstem accompany mix.wav --init bassline.wav
    """
    for file in filter(None, (mix, like)):
        check_readable(file)  # before PyTorch is loaded, which takes seconds
    require_extras("bassnet", "audio", "latentstem.audio.io")
    from latentstem.audio.io import AudioReader
    from latentstem.pipelines.bassnet_control import ControlPath
    from latentstem.pipelines.bassnet_files import (
        generate_line_file,
        infer_control_file,
        write_line_audio,
        write_line_midi,
    )

    if sum(given is not None for given in (control, path, like)) > 1:
        raise UsageError("got several of --control, --path and --like; give one of them")
    steering = _read_point(control) if control is not None else None if path is None else read_path(path)
    notes = output.with_suffix(".mid")
    for file in (output, notes)[: 1 + midi]:
        if any(source is not None and file.resolve() == source.resolve() for source in (mix, like, path)):
            raise UsageError(f"{file} is read and written; choose another name with -o")
    check_output(output)
    if midi:
        require_extras("--midi", "data", "pretty_midi")
    for file in (mix,) if like is None else (mix, like):
        AudioReader(file, max_duration)  # refuses what it can before the weights are loaded

    console = Console(stderr=True)
    with console.status("loading the weights"):
        pipe = load_bassnet(weights).to(choose_device(device))
    with library_errors(), console.status("listening to the mix"):
        if like is not None:
            points = infer_control_file(pipe, mix, like, max_duration)
            steering = ControlPath(pipe.window_times(len(points)), points.cpu().numpy())
        made = generate_line_file(pipe, mix, steering, max_duration)
        output.parent.mkdir(parents=True, exist_ok=True)
        write_line_audio(made, output)
        if midi:
            write_line_midi(made.line, notes, tempo)
    count = len(made.line.notes())
    if as_json:
        document = {"line": str(output), "midi": str(notes) if midi else None, "notes": count}
        print(json.dumps({**document, "seconds": round(made.line.duration, 2)}, indent=1))
    else:
        print(f"{output}: {count} notes in {made.line.duration:.1f} s" + (f"; {notes}" if midi else ""))


def _read_point(text: str) -> list[float] | str:
    """Convert a value of --control to a point, "0.3,-1", or leave it as the name of a pattern."""
    try:
        return [float(number) for number in text.split(",")]
    except ValueError:
        return text.strip()


def read_path(file: Path) -> "ControlPath":
    """Read a path of the control from a file with a line of numbers, seconds first, for each point.

    Args:
        file: The file; empty lines, and what follows a `#`, count for nothing.

    Raises:
        UsageError: The file cannot be read, or its lines are no path.
    """
    from latentstem.pipelines.bassnet_control import ControlPath

    try:
        lines = [line.partition("#")[0].replace(",", " ").split() for line in file.read_text("utf-8").splitlines()]
        rows = [[float(number) for number in line] for line in lines if line]
    except (OSError, ValueError) as error:
        raise UsageError(f"{file}: {error}; expected lines of numbers: SECONDS X Y") from error
    if not rows or len({len(row) for row in rows}) > 1 or len(rows[0]) < 2:
        raise UsageError(f"{file}: expected lines of equally many numbers, at least two: SECONDS X Y")
    with library_errors():
        return ControlPath([row[0] for row in rows], [row[1:] for row in rows])
