"""`latentstem accompany`: stems for a mix, or for folders of mixes."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console

from latentstem.audio.formats import Bits
from latentstem.cli.batch import make_each
from latentstem.cli.errors import UsageError, finite, library_errors, require_extras
from latentstem.cli.loading import Adapter, choose_device, load_pipeline, target_name
from latentstem.cli.outputs import check_outputs, is_batch, plan_jobs
from latentstem.cli.report import Report
from latentstem.cli.stderr import quiet_decoders

if TYPE_CHECKING:
    from latentstem.pipelines.stem_accompaniment import StemAccompanimentPipeline


def accompany(
    context: typer.Context,
    mixes: Annotated[
        list[Path],
        typer.Argument(
            metavar="MIX...",
            help="The mix: wav, flac, mp3 or ogg, one or two channels, any rate. Or several, or folders of them.",
        ),
    ],
    style: Annotated[
        Path | None, typer.Option(help="A recording whose sound the stem takes on; by default the net chooses.")
    ] = None,
    weights: Annotated[str, typer.Option(help="Shipped weights by name, or a folder of saved ones.")] = "bass-gm",
    adapter: Adapter = None,
    quality: Annotated[
        Literal["fast", "standard", "best"], typer.Option(help="How much time to take: 8, 16 or 64 evaluations.")
    ] = "best",
    steps: Annotated[int | None, typer.Option(min=1, help="Denoising steps, if not those of the quality.")] = None,
    guidance_scale: Annotated[
        float | None,
        typer.Option(callback=finite, help="How strongly the mix is followed; 1 is plain. Default: the weights'."),
    ] = None,
    guidance_rescale: Annotated[
        float | None,
        typer.Option(min=0.0, max=1.0, callback=finite, help="How much of guidance's excess level is undone, 0 to 1."),
    ] = None,
    style_strength: Annotated[
        float, typer.Option(callback=finite, help="How far the sound moves to the style's; 0 not at all.")
    ] = 1.0,
    init: Annotated[
        Path | None,
        typer.Option(metavar="STEM", help="A stem to vary, fill in or continue, as long as MIX; held in memory whole."),
    ] = None,
    strength: Annotated[
        float | None,
        typer.Option(help="How far to go from STEM, above 0, up to 1. Default: 0.6, or 1 with --keep."),
    ] = None,
    keep: Annotated[
        list[str] | None,
        typer.Option(
            metavar="START:END",
            help="Seconds of STEM that stay as they are, e.g. 0:8, :8 or 12:; give it again for several ranges. "
            "No minutes: 1:30 is from 1 s to 30 s.",
        ),
    ] = None,
    loop: Annotated[
        bool, typer.Option("--loop", help="MIX is one turn of a loop, and the stem is to be one; both held whole.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, max=2**62, help="Seed of the first candidate; the others count up.")] = 0,
    count: Annotated[int, typer.Option(min=1, help="Candidates: OUT-1, OUT-2 and so on, if more than one.")] = 1,
    keep_best: Annotated[
        int | None,
        typer.Option(
            min=1, help="How many of the candidates to write, the one that fits MIX best first. Default: all."
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    max_duration: Annotated[
        float, typer.Option(callback=finite, help="Longest input in seconds that is read.")
    ] = 10800.0,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            help="The stem: .wav, .flac, .ogg or .mp3; or a folder, where each stem is named as its mix. "
            "Default: named after what the weights make, such as bass.wav, or the folder bass for several mixes.",
        ),
    ] = None,
    format: Annotated[
        Literal["wav", "flac", "ogg", "mp3"] | None,
        typer.Option("--format", help="Kind of the files in a folder of stems. Default: wav."),
    ] = None,
    bits: Annotated[
        Bits | None,
        typer.Option(help="How a wav or flac stores a sample; 32f is a float, wav alone. Default: 24."),
    ] = None,
    midi: Annotated[
        bool,
        typer.Option("--midi", help="Also write the stem's notes to OUT.mid, which begins with the audio."),
    ] = False,
    tempo: Annotated[
        float,
        typer.Option(
            min=4.0, max=1000.0, callback=finite, help="Of OUT.mid: your project's. The seconds are right at any."
        ),
    ] = 120.0,
    preview: Annotated[
        bool,
        typer.Option(
            "--preview", help="Also write OUT-with-mix, the mix with the stem in it, and OUT.png, a picture of both."
        ),
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Make anew what is already there in a folder of stems.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document of what was made, for scripts.")
    ] = False,
) -> None:
    """Write a stem that fits MIX, at the mix's own sampling rate and length.

    latentstem accompany mix.wav --style my_bass.wav --midi --preview
    writes bass.wav, bass.mid, bass-with-mix.wav and bass.png.

    Of several mixes, one that fails does not stop the others, and what is already there is skipped. With --keep-best
    the candidates are scored by the judge that came with the weights. Figures that are taken with this judge must never
    be of stems that it chose.
    """
    from latentstem.audio.io import AudioReader, read_audio
    from latentstem.audio.resampling import resample
    from latentstem.cli.session import StemMaker
    from latentstem.pipelines.init_stem import check_init_stem
    from latentstem.pipelines.quality import Quality

    batch = is_batch(mixes, output)
    _check_options(context.params, batch)
    ranges = [_seconds(text) for text in keep] if keep else None
    with library_errors():
        check_init_stem(init, strength, ranges)
    kept = count if keep_best is None else keep_best
    jobs = plan_jobs(mixes, output, format, kept, midi, preview, target_name(weights))
    check_outputs(jobs, filter(None, (style, init)), bits, batch)
    chosen_device = choose_device(device)
    if midi:
        require_extras("--midi", "data,evaluation", "pretty_midi", "latentstem.evaluation.transcription")
    with quiet_decoders():
        for path in filter(None, (None if batch else mixes[0], init)):
            AudioReader(path, max_duration)  # refuses what it can before the weights are loaded
        style_audio, style_rate = (None, 0) if style is None else read_audio(style, max_duration)

    console = Console(stderr=True)
    with console.status("loading the weights"):
        pipe = load_pipeline(weights, adapter).to(chosen_device)
    if keep_best is not None and pipe.reranker is None:
        raise UsageError(f"--keep-best needs a judge to choose by, and the weights {weights} have none; leave it out")
    progress = console.is_terminal and not batch
    pipe.set_progress_bar_config(disable=not progress)
    quality_steps = Quality(quality).apply_to(pipe)
    call: dict[str, Any] = {
        "style": None if style_audio is None else resample(style_audio, style_rate, pipe.sampling_rate)[None],
        "style_strength": style_strength,
        "num_inference_steps": steps or quality_steps,
        "guidance_scale": guidance_scale,
        "guidance_rescale": guidance_rescale,
        "loop": loop,
    }
    init_stem = None if init is None else (init, strength, ranges)
    with Report(as_json, count) as report:
        report.settings = _settings(context.params, pipe, call)
        shown = console if progress else None
        seeds = range(seed, seed + count)
        maker = StemMaker(pipe, call, seeds, keep_best, init_stem, bits, tempo, max_duration, report, shown)
        if batch:
            make_each(jobs, maker.make, report, console, overwrite)
        else:
            maker.make(jobs[0])


def _check_options(options: dict[str, Any], batch: bool) -> None:
    """Refuse options that do not go together, whatever the files."""
    count, keep_best, max_duration = options["count"], options["keep_best"], options["max_duration"]
    init, strength, keep = options["init"], options["strength"], options["keep"]
    if max_duration <= 0:
        raise UsageError(f"--max-duration is {max_duration:g}; expected a positive number of seconds")
    if keep_best is not None and keep_best > count:
        raise UsageError(f"--keep-best is {keep_best}; expected at most the number of candidates, --count {count}")
    if batch and init is not None:
        raise UsageError("--init is a stem of one mix; give one mix, and a file with -o")
    if options["loop"] and keep:
        raise UsageError("--keep is not for a loop, which has no beginning or end; vary it with --strength instead")
    if init is None and (strength is not None or keep):
        raise UsageError("--strength and --keep are about a stem to start from; name it with --init")


def _seconds(text: str) -> tuple[float, float | None]:
    """What --keep says, "8:12", ":8" or "12:", as the pipeline takes it."""
    start, colon, end = text.partition(":")
    try:
        if colon:
            return float(start or 0), float(end) if end else None
    except ValueError:
        pass
    raise UsageError(f"--keep is {text!r}; expected START:END in seconds, e.g. 0:8, :8 or 12:")


def _settings(options: dict[str, Any], pipe: "StemAccompanimentPipeline", call: dict[str, Any]) -> dict[str, Any]:
    """The options, with what was taken where they left it open."""
    guider = {name: pipe.guider.config[name] for name in ("guidance_scale", "guidance_rescale")}
    return {
        **{name: value for name, value in options.items() if name != "as_json"},
        "device": str(pipe.device),
        "scheduler": type(pipe.scheduler).__name__,
        "steps": call["num_inference_steps"],
        **{name: call[name] if call[name] is not None else own for name, own in guider.items()},
    }
