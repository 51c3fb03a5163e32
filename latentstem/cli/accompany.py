"""`latentstem accompany`: generate stems for a mix, or for folders of mixes."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console

from latentstem.audio.formats import check_readable
from latentstem.cli.batch import make_each
from latentstem.cli.controls import Bpm, Chords, ChordsScale, Density, Downbeat, Register, check_controls, read_controls
from latentstem.cli.errors import UsageError, finite, library_errors, require_extras
from latentstem.cli.loading import Adapter, choose_device, load_pipeline, target_name
from latentstem.cli.options import EDIT, EXPERT, FILES, Device, MaxDuration, SampleFormat, Tempo, Weights
from latentstem.cli.outputs import check_outputs, is_batch, plan_jobs
from latentstem.cli.ranges import Bars, Keep, Redo, read_kept_ranges
from latentstem.cli.report import Report, describe_settings
from latentstem.cli.stderr import quiet_decoders

if TYPE_CHECKING:
    from latentstem.pipelines.init_stem import Ranges


RESULT, STYLE, STEERING = "Result", "Style", "Steering"


def accompany(
    context: typer.Context,
    mixes: Annotated[
        list[Path],
        typer.Argument(
            metavar="MIX...",
            help="The mix: wav, flac, mp3 or ogg, one or two channels, any rate. Or several, or folders of them.",
        ),
    ],
    # Result
    target: Annotated[
        str | None,
        typer.Option(
            help="Stem to generate, of weights that know several, such as drums. Default: that of the weights.",
            rich_help_panel=RESULT,
        ),
    ] = None,
    quality: Annotated[
        Literal["fast", "standard", "best"],
        typer.Option(help="Trade-off of time and quality: 8, 16 or 64 denoising steps.", rich_help_panel=RESULT),
    ] = "standard",
    count: Annotated[
        int,
        typer.Option(
            min=1,
            help="Number of stems to generate; several are named OUT-1, OUT-2 and so on.",
            rich_help_panel=RESULT,
        ),
    ] = 1,
    keep_best: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Number of stems to write, the one that fits MIX best first, by the reranker of the weights. "
            "Default: all.",
            rich_help_panel=RESULT,
        ),
    ] = None,
    seed: Annotated[
        int,
        typer.Option(
            min=0, max=2**62, help="Seed of the first stem; further stems count up from it.", rich_help_panel=RESULT
        ),
    ] = 0,
    # Style
    style: Annotated[
        Path | None,
        typer.Option(
            help="Recording whose sound the stem takes on. Default: the sound is left to the net.",
            rich_help_panel=STYLE,
        ),
    ] = None,
    second_style: Annotated[
        Path | None,
        typer.Option(help="Recording whose sound is blended with that of --style.", rich_help_panel=STYLE),
    ] = None,
    blend: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            max=1.0,
            callback=finite,
            help="Share of --second-style in the blend. Default: 0.5.",
            rich_help_panel=STYLE,
        ),
    ] = None,
    style_strength: Annotated[
        float,
        typer.Option(
            callback=finite,
            help="How far the sound moves to that of --style: 0 not at all, 1 all the way.",
            rich_help_panel=STYLE,
        ),
    ] = 1.0,
    style_space: Annotated[
        bool,
        typer.Option(
            "--style-space",
            help="Take only what tells the instrument from --style, and not its register or its notes.",
            rich_help_panel=STYLE,
        ),
    ] = False,
    # Steering
    guidance_scale: Annotated[
        float | None,
        typer.Option(
            callback=finite,
            help="How strongly the stem follows the mix; 1 is without guidance. Default: that of the weights.",
            rich_help_panel=STEERING,
        ),
    ] = None,
    guidance_rescale: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            max=1.0,
            callback=finite,
            help="How much of the level that guidance adds is taken back, 0 to 1. Default: that of the weights.",
            rich_help_panel=STEERING,
        ),
    ] = None,
    bpm: Bpm = None,
    downbeat: Downbeat = 0.0,
    chords: Chords = None,
    chords_scale: ChordsScale = None,
    density: Density = None,
    register: Register = None,
    # Edit
    init: Annotated[
        Path | None,
        typer.Option(
            metavar="STEM",
            help="Stem to vary, fill in or continue, as long as MIX; held in memory whole.",
            rich_help_panel=EDIT,
        ),
    ] = None,
    strength: Annotated[
        float | None,
        typer.Option(
            help="How far to go from STEM, above 0, up to 1. Default: 0.6, or 1 where parts stay.", rich_help_panel=EDIT
        ),
    ] = None,
    keep: Keep = None,
    redo: Redo = None,
    bars: Bars = None,
    loop: Annotated[
        bool,
        typer.Option(
            "--loop",
            help="Treat MIX as one turn of a loop, and generate a stem that loops; held in memory whole.",
            rich_help_panel=EDIT,
        ),
    ] = False,
    # Files
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            help="File of the stem, .wav, .flac, .ogg or .mp3; or a folder, where each stem has the name of its mix. "
            "Default: named after the stem, such as bass.wav, or the folder bass for several mixes.",
            rich_help_panel=FILES,
        ),
    ] = None,
    format: Annotated[
        Literal["wav", "flac", "ogg", "mp3"] | None,
        typer.Option("--format", help="Format of the files in a folder. Default: wav.", rich_help_panel=FILES),
    ] = None,
    bits: SampleFormat = None,
    gain: Annotated[
        float,
        typer.Option(
            min=-60.0,
            max=60.0,
            callback=finite,
            help="Change of the stem's level in dB, from that which fits MIX.",
            rich_help_panel=FILES,
        ),
    ] = 0.0,
    midi: Annotated[
        bool,
        typer.Option(
            "--midi",
            help="Also write the notes of the stem to OUT.mid, aligned with the audio.",
            rich_help_panel=FILES,
        ),
    ] = False,
    tempo: Tempo = 120.0,
    preview: Annotated[
        bool,
        typer.Option(
            "--preview",
            help="Also write OUT-with-mix, the mix with the stem in it, and OUT.png, a picture of both.",
            rich_help_panel=FILES,
        ),
    ] = False,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite", help="Generate anew the stems that are already in the folder.", rich_help_panel=FILES
        ),
    ] = False,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print one JSON document about the stems, for scripts.", rich_help_panel=FILES),
    ] = False,
    # Expert
    weights: Weights = "bass",
    adapter: Adapter = None,
    steps: Annotated[
        int | None,
        typer.Option(min=1, help="Number of denoising steps. Default: that of --quality.", rich_help_panel=EXPERT),
    ] = None,
    device: Device = "auto",
    max_duration: MaxDuration = 10800.0,
) -> None:
    """Write a stem that fits MIX, at the mix's own sampling rate and length.

    latentstem accompany mix.wav --style my_bass.wav --midi --preview
    writes bass.wav, bass.mid, bass-with-mix.wav and bass.png.

    Of several mixes, one that fails does not stop the others, and stems that are already there are skipped.

    The reranker of the weights chooses for --keep-best; never evaluate these stems with the same reranker.
    """
    batch = is_batch(mixes, output)
    for path in filter(None, (None if batch else mixes[0], style, second_style, init)):
        check_readable(path)  # before PyTorch is loaded, which takes seconds

    from latentstem.audio.io import AudioReader
    from latentstem.cli.session import StemMaker
    from latentstem.pipelines.input_files import read_style_files
    from latentstem.pipelines.quality import Quality

    ranges = read_kept_ranges(context.params)
    _check_options(context.params, ranges, batch)
    controls = read_controls(context.params)
    jobs = plan_jobs(mixes, output, format, keep_best or count, midi, preview, target_name(weights, target))
    styles = [path for path in (style, second_style) if path is not None]
    check_outputs(jobs, filter(None, (*styles, init)), bits)
    chosen_device = choose_device(device)
    if midi:
        require_extras("--midi", "data,evaluation", "pretty_midi", "latentstem.evaluation.transcription")
    with quiet_decoders():
        for path in filter(None, (None if batch else mixes[0], *styles, init)):
            AudioReader(path, max_duration)  # refuses what it can before the weights are loaded

    console = Console(stderr=True)
    with console.status("loading the weights"):
        pipe = load_pipeline(weights, adapter).to(chosen_device)
    if keep_best is not None and pipe.reranker is None:
        raise UsageError(f"--keep-best needs a reranker, and the weights {weights} have none; leave it out")
    check_controls(controls, pipe, weights)
    progress = console.is_terminal and not batch
    pipe.set_progress_bar_config(disable=not progress)
    quality_steps = Quality(quality).apply_to(pipe)
    with library_errors(), quiet_decoders():
        style_audio = read_style_files(pipe, styles, max_duration) if styles else None
    share = 0.5 if blend is None else blend
    call: dict[str, Any] = {
        "style": style_audio,
        "style_weights": None if second_style is None else [1 - share, share],
        "style_strength": style_strength,
        "style_space": style_space,
        "num_inference_steps": steps or quality_steps,
        "guidance_scale": guidance_scale,
        "guidance_rescale": guidance_rescale,
        "condition_scales": None if chords_scale is None else {"chords": chords_scale},
        "loop": loop,
        "target": target,
    }
    init_stem = None if init is None else (init, strength, ranges)
    with Report(as_json, count) as report:
        report.settings = describe_settings(context.params, pipe, call)
        seeds = range(seed, seed + count)
        progress_console = console if progress else None
        maker = StemMaker(
            pipe, call, controls, seeds, keep_best, init_stem, bits, gain, tempo, max_duration, report, progress_console
        )
        if batch:
            make_each(jobs, maker.make, report, console, overwrite)
        else:
            maker.make(jobs[0])


def _check_options(options: dict[str, Any], ranges: "Ranges | None", batch: bool) -> None:
    """Refuse options that do not go together, whatever the files; the rules of the pipeline's call are the library's.

    Args:
        options: All options by name.
        ranges: Ranges of the stem that stay.
        batch: Whether there are several mixes.
    """
    from latentstem.pipelines.input_checks import check_init_stem, check_keep_best, check_style

    if batch and options["init"] is not None:
        raise UsageError("--init is a stem of one mix; give one mix, and a file with -o")
    if options["chords_scale"] is not None and options["chords"] is None:
        raise UsageError("--chords-scale says how strongly to follow --chords; give them too")
    if options["second_style"] is not None and options["style"] is None:
        raise UsageError("--second-style is blended with --style; give it too")
    if options["blend"] is not None and options["second_style"] is None:
        raise UsageError("--blend is the share of --second-style; give it too")
    if options["gain"] and ranges is not None:
        raise UsageError("--gain would change the new parts alone, beside those that stay; leave one of them out")
    with library_errors():
        check_init_stem(options["init"], options["strength"], ranges)
        check_keep_best(options["keep_best"], options["count"], can_rank=True, has_mix=True)
        check_style(options["style"], None, options["style_space"])
