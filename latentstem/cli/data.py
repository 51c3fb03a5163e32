"""`latentstem corpus`: render songs to train on; `latentstem data check`: check a folder of stems."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from latentstem.cli.errors import UsageError, finite, library_errors, require_extras
from latentstem.cli.progress import progress_bar

if TYPE_CHECKING:
    from latentstem.data.stems.check import FolderReport

data_app = typer.Typer(help="Folders of stems.", no_args_is_help=True)


def corpus(
    root: Annotated[Path, typer.Argument(help="Folder of the corpus; created if missing, continued if not.")],
    songs: Annotated[int, typer.Option(min=1, help="Number of songs, from the training seeds.")] = 200,
    first_seed: Annotated[int, typer.Option(min=0, help="Seed of the first song.")] = 0,
    preset: Annotated[
        Literal["band", "loops", "A1", "A2", "A3", "A4"],
        typer.Option(help="The band, loops of electronic music, or one of the four artificial data sets of BassNet."),
    ] = "band",
    duration: Annotated[
        float | None,
        typer.Option(
            min=1.0,
            max=600.0,
            callback=finite,
            help="Length of a song in seconds. Default: 30, or about 60 for A1 to A4; of loops at most 20, all turns.",
        ),
    ] = None,
    soundfont: Annotated[
        list[str] | None,
        typer.Option(
            help="Soundfont: fluidr3, musescore or timgm6mb; give it again for several. "
            "Default: for every song instruments of its own, synthesized or from all presets; fluidr3 for A1 to A4."
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Number of processes. Default: one for each processor.")
    ] = None,
) -> None:
    """Compose and render annotated songs to ROOT/song_SEED/STEM.wav, loops to loop.wav (needs FluidSynth)."""
    require_extras("corpus", "data", "latentstem.data.corpus", "pretty_midi")
    from latentstem.data.compose.bassnet_sets import compose_artificial
    from latentstem.data.compose.composer import compose
    from latentstem.data.compose.loops import compose_loop
    from latentstem.data.corpus import write_corpus
    from latentstem.data.render.fluidsynth import SoundfontNotFoundError, SynthesizerNotFoundError

    seeds = range(first_seed, first_seed + songs)
    if preset == "band":
        composer, length, sound = compose, 30.0, ()
    elif preset == "loops":
        composer, length, sound = compose_loop, 20.0, ()
    else:
        composer, length, sound = partial(compose_artificial, preset), 60.0, ("fluidr3",)
    try:
        with library_errors(), progress_bar("songs") as on_progress:
            tracks = write_corpus(
                root,
                seeds,
                soundfont or sound,
                duration or length,
                workers,
                composer,
                on_progress,
                mixdown="loop" if preset == "loops" else None,
            )
    except (SynthesizerNotFoundError, SoundfontNotFoundError) as error:
        raise UsageError(str(error)) from error
    print(f"{root}: {len(tracks)} songs")


@data_app.command()
def check(
    folder: Annotated[Path, typer.Argument(help="Folder of tracks, laid out like MUSDB18-HQ, MoisesDB or Slakh2100.")],
    target: Annotated[str, typer.Option(help="Name of the stem to train on.")] = "bass",
) -> None:
    """Report what is wrong with a folder of stems; exit code 1 if any track cannot be used."""
    require_extras("data check", "data", "latentstem.data.stems.check")
    from latentstem.data.stems.check import check_folder

    with library_errors():
        report = check_folder(folder, target)
    _print_report(report)
    if report.usable < report.tracks:
        raise typer.Exit(1)


def _print_report(report: "FolderReport") -> None:
    console = Console()
    if report.problems:
        table = Table("track", "where", "finding", "", show_edge=False)
        for problem in report.problems:
            verdict = "[red]unusable[/red]" if problem.unusable else "[yellow]note[/yellow]"
            table.add_row(escape(problem.track), escape(problem.place), escape(problem.finding), verdict)
        console.print(table)
    rates = ", ".join(f"{rate} Hz" for rate in sorted(report.rates)) or "no audio"
    print(
        f"{report.usable} of {report.tracks} tracks usable, {report.seconds / 60:.1f} min, {rates}; "
        f"{report.target} sounds for {report.sounding:.0%} of the time"
    )
