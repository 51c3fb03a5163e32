"""`latentstem loop`: a loop of a tempo and a number of bars, asked for in words or by a recording."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from latentstem.audio.formats import check_readable
from latentstem.cli.errors import UsageError, finite, library_errors
from latentstem.cli.loading import choose_device, load_loops
from latentstem.cli.options import EDIT, EXPERT, FILES, Device, MaxDuration, SampleFormat, Weights
from latentstem.cli.outputs import check_output, numbered
from latentstem.cli.ranges import read_kept_ranges
from latentstem.cli.signals import stop_if_interrupted
from latentstem.cli.stderr import quiet_decoders

if TYPE_CHECKING:
    from torch import Tensor

    from latentstem.pipelines.loop import LoopPipeline

SOUND = "Sound"
_CLOSE = 0.005
"""Greatest difference in length, as a fraction, between a loop to vary and one of the tempo and bars that are given."""


def loop(
    bpm: Annotated[float, typer.Option(min=4.0, max=1000.0, callback=finite, help="Beats a minute.")],
    bars: Annotated[int, typer.Option(min=1, help="Number of bars.")] = 4,
    beats_per_bar: Annotated[int, typer.Option(min=1, max=64, help="Number of beats in a bar.")] = 4,
    count: Annotated[
        int, typer.Option(min=1, help="Number of loops to generate; several are named OUT-1, OUT-2 and so on.")
    ] = 1,
    seed: Annotated[
        int, typer.Option(min=0, max=2**62, help="Seed of the first loop; further loops count up from it.")
    ] = 0,
    prompt: Annotated[
        str | None,
        typer.Option(
            metavar="WORDS",
            help='Words for the sound, such as "dark techno, no hats". A word that is not known is answered with those '
            "that are.",
            rich_help_panel=SOUND,
        ),
    ] = None,
    reference: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Recording whose sound the loop takes on.", rich_help_panel=SOUND),
    ] = None,
    reference_strength: Annotated[
        float | None,
        typer.Option(
            callback=finite,
            help="How far the average sound moves to that of --reference: 0 not at all, 1 all the way. Default: 1.",
            rich_help_panel=SOUND,
        ),
    ] = None,
    chords: Annotated[
        str | None,
        typer.Option(metavar="CHART", help='Chords, such as "| Am7 | F G |"; | begins a bar.', rich_help_panel=SOUND),
    ] = None,
    guidance_scale: Annotated[
        float | None,
        typer.Option(
            callback=finite,
            help="How strongly the loop follows tempo and sound; 1 is without guidance. Default: that of the weights.",
            rich_help_panel=SOUND,
        ),
    ] = None,
    prompt_scale: Annotated[
        float | None,
        typer.Option(
            callback=finite,
            help="How strongly it follows --prompt and --reference. Default: that of the weights.",
            rich_help_panel=SOUND,
        ),
    ] = None,
    init: Annotated[
        Path | None,
        typer.Option(
            metavar="LOOP",
            help="Loop to vary, or to make parts of anew, of this tempo and length.",
            rich_help_panel=EDIT,
        ),
    ] = None,
    strength: Annotated[
        float | None,
        typer.Option(
            help="How far to go from LOOP, above 0, up to 1. Default: 0.6, or 1 where parts stay.", rich_help_panel=EDIT
        ),
    ] = None,
    keep: Annotated[
        list[str] | None,
        typer.Option(
            metavar="START:END",
            help="Seconds of LOOP that stay as they are, e.g. 0:2, :2 or 4:; give it again for several ranges.",
            rich_help_panel=EDIT,
        ),
    ] = None,
    redo: Annotated[
        list[str] | None,
        typer.Option(
            metavar="START:END",
            help="Seconds of LOOP that are made anew, while all others stay; as --keep otherwise.",
            rich_help_panel=EDIT,
        ),
    ] = None,
    redo_bars: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FIRST:LAST",
            help="Bars of LOOP that are made anew, LAST included, counted from 1, e.g. 3:4, or one bar, 2.",
            rich_help_panel=EDIT,
        ),
    ] = None,
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="OUT", help="File of the loop: .wav, .flac, .ogg or .mp3.", rich_help_panel=FILES
        ),
    ] = Path("loop.wav"),
    bits: SampleFormat = None,
    preview: Annotated[
        bool, typer.Option("--preview", help="Also write OUT.png, its spectrogram.", rich_help_panel=FILES)
    ] = False,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print one JSON document about the loops, for scripts.", rich_help_panel=FILES),
    ] = False,
    weights: Weights = "loops-gm",
    steps: Annotated[int, typer.Option(min=1, help="Number of denoising steps.", rich_help_panel=EXPERT)] = 16,
    device: Device = "auto",
    max_duration: MaxDuration = 10800.0,
) -> None:
    """Write a loop of a whole number of bars, whose end leads into its beginning.

    latentstem loop --bpm 124 --bars 4 --prompt "dark techno, no hats" -o loop.wav

    Make bar 3 anew: latentstem loop --bpm 124 --bars 4 --init loop.wav --redo-bars 3 -o other.wav

    Give it a bass: latentstem accompany loop.wav --loop
    """
    inputs = [path for path in (reference, init) if path is not None]
    for path in inputs:
        check_readable(path)  # before PyTorch is loaded, which takes seconds
    if init is None and (strength is not None or keep):
        flag = "--strength says how far to go from" if strength is not None else "--keep says what stays of"
        raise UsageError(f"{flag} --init; give it too")
    parts = {"keep": keep, "redo": redo, "redo_bars": redo_bars, "init": init, "bpm": bpm}
    kept = read_kept_ranges(parts, "redo_bars", beats_per_bar, duration=bars * beats_per_bar * 60 / bpm)
    if prompt_scale is not None and prompt is None and reference is None:
        raise UsageError("--prompt-scale says how strongly to follow --prompt or --reference; give one of them")
    if reference_strength is not None and reference is None:
        raise UsageError("--reference-strength says how far the sound moves to that of --reference; give it too")
    files = numbered(output, count)
    for file in files:
        check_output(file, bits)
        for written in (file, file.with_suffix(".png")) if preview else (file,):
            if written.resolve() in {path.resolve() for path in inputs}:
                raise UsageError(f"{written}: is an input and would be overwritten; name another output with -o")

    from latentstem.audio.io import write_audio

    console = Console(stderr=True)
    with console.status("loading the weights"):
        pipe = load_loops(weights).to(choose_device(device))
    pipe.set_progress_bar_config(disable=not console.is_terminal)
    with library_errors(), quiet_decoders():
        call: dict[str, Any] = {
            "bpm": bpm,
            "bars": bars,
            "beats_per_bar": beats_per_bar,
            "prompt": prompt,
            "reference": None if reference is None else _read(pipe, reference, max_duration),
            "sampling_rate": pipe.sampling_rate,
            "reference_strength": 1.0 if reference_strength is None else reference_strength,
            "chords": chords,
            "guidance_scale": guidance_scale,
            "condition_scales": None if prompt_scale is None else {"prompt": prompt_scale},
            "num_inference_steps": steps,
            "init_loop": None,
            "strength": strength,
            "keep": kept,
        }
        if init is not None:
            expected = pipe.count_samples(bpm, bars, beats_per_bar)
            call["init_loop"] = _fit(init, _read(pipe, init, max_duration), expected)
    output.parent.mkdir(parents=True, exist_ok=True)
    reports = []
    for index, file in enumerate(files):
        stop_if_interrupted()
        with library_errors():
            (audio,) = pipe(**call, generator=seed + index).audios.cpu()
            write_audio(file, audio, pipe.sampling_rate, bits)
            if preview:
                from latentstem.plotting.spectrogram import plot_spectrograms

                plot_spectrograms(file.with_suffix(".png"), {"loop": audio}, pipe.sampling_rate)
        seconds = audio.shape[-1] / pipe.sampling_rate
        reports.append(
            {"loop": str(file), "seed": seed + index, "seconds": round(seconds, 3), "bpm": bpm, "bars": bars}
        )
        if not as_json:
            print(f"{file}: seed {seed + index}, {bars} bars at {bpm:g} beats a minute, {seconds:.2f} s", flush=True)
    if as_json:
        print(json.dumps(reports, indent=1))


def _read(pipe: "LoopPipeline", path: Path, max_duration: float) -> "Tensor":
    """Read audio at the rate and in the channels of the pipeline, `(channels, samples)`."""
    from latentstem.audio.io import read_audio
    from latentstem.audio.resampling import resample
    from latentstem.audio.validation import match_channels

    audio, rate = read_audio(path, max_duration)
    return resample(match_channels(audio, pipe.audio_channels, str(path)), rate, pipe.sampling_rate)


def _fit(path: Path, audio: "Tensor", expected: int) -> "Tensor":
    """Stretch a loop that is a few samples longer or shorter than one of its tempo; no peak of it exceeds 1."""
    from latentstem.audio.loops import resample_periodic

    samples = audio.shape[-1]
    if abs(samples - expected) > _CLOSE * expected:
        raise UsageError(
            f"{path}: is {samples / expected:.3g} times as long as a loop of --bars at --bpm; give its own tempo and "
            "number of bars"
        )
    fitted = resample_periodic(audio, expected)
    return fitted / fitted.abs().max().clamp(min=1.0)
