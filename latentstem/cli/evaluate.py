"""`latentstem evaluate`: score weights on songs whose chords and notes are known."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markdown import Markdown

from latentstem.cli.errors import UsageError, library_errors, require_extras
from latentstem.cli.loading import Adapter, choose_device, load_pipeline, target_name
from latentstem.cli.progress import progress_bar


def evaluate(
    weights: Annotated[str, typer.Argument(help="Name of shipped weights, or folder of saved ones.")],
    adapter: Adapter = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the results.")] = Path("evaluation"),
    songs: Annotated[
        Path | None,
        typer.Option(
            help="Folder of annotated songs. Default: songs are composed and rendered into the output folder."
        ),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(help="Stem to evaluate, of weights that know several. Default: that of the weights."),
    ] = None,
    count: Annotated[int, typer.Option(min=2, help="Number of songs to compose.")] = 24,
    steps: Annotated[int, typer.Option(min=1, help="Number of denoising steps.")] = 64,
    seconds: Annotated[
        float | None, typer.Option(min=1.0, help="Length to use of each song, in seconds. Default: all.")
    ] = None,
    device: Annotated[str, typer.Option(help="Device to compute on: auto, cpu, cuda, cuda:1, mps.")] = "auto",
) -> None:
    """Score weights by harmony, rhythm, register, round trip and distance from true basses; JSON, Markdown, a plot."""
    require_extras("evaluate", "data,evaluation", "latentstem.evaluation.pipeline", "latentstem.data.corpus")
    from latentstem.data.corpus import write_corpus
    from latentstem.data.render.fluidsynth import SoundfontNotFoundError, SynthesizerNotFoundError
    from latentstem.data.splits import VALIDATION_SEEDS
    from latentstem.evaluation.pipeline import evaluate_pipeline, write_evaluation

    target = target_name(weights, target)
    pipe = load_pipeline(weights, adapter).to(choose_device(device))
    if songs is None:
        songs = output / "songs"
        try:
            with library_errors(), progress_bar("songs") as on_progress:
                write_corpus(songs, VALIDATION_SEEDS[100 : 100 + count], duration=20.0, on_progress=on_progress)
        except (SynthesizerNotFoundError, SoundfontNotFoundError) as error:
            raise UsageError(str(error)) from error
    try:
        with library_errors(), progress_bar("evaluating") as on_progress:
            evaluation = evaluate_pipeline(pipe, songs, target, steps, seconds, on_progress)
    except FileNotFoundError as error:
        raise UsageError(f"{songs}: {error}; expected songs that `latentstem corpus` rendered") from error
    files = write_evaluation(evaluation, output)
    Console().print(Markdown(evaluation.table()))
    for file in files:
        print(file)
