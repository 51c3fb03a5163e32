"""`latentstem accompany`: a stem, or several, for a mix."""

import math
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console

from latentstem.cli.errors import UsageError, finite, library_errors
from latentstem.cli.interruption import stop_if_interrupted
from latentstem.cli.loading import choose_device, load_pipeline


def accompany(
    mix: Annotated[Path, typer.Argument(help="The mix: wav, flac, mp3 or ogg, one or two channels, any rate.")],
    style: Annotated[
        Path | None, typer.Option(help="A recording whose sound the bass takes on; by default the net chooses.")
    ] = None,
    weights: Annotated[str, typer.Option(help="Shipped weights by name, or a folder of saved ones.")] = "bass-gm",
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
    seed: Annotated[int, typer.Option(min=0, max=2**62, help="Seed of the first candidate; the others count up.")] = 0,
    count: Annotated[int, typer.Option(min=1, help="Candidates: OUT-1, OUT-2 and so on, if more than one.")] = 1,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    max_duration: Annotated[
        float, typer.Option(callback=finite, help="Longest input in seconds that is read.")
    ] = 10800.0,
    output: Annotated[Path, typer.Option("--output", "-o", help="The stem: .wav, .flac, .ogg or .mp3.")] = Path(
        "bass.wav"
    ),
    preview: Annotated[
        bool, typer.Option("--preview", help="Also write the mix with the stem in it, and a picture of both.")
    ] = False,
) -> None:
    """Write a stem that fits MIX, at the mix's own sampling rate and length."""
    from latentstem.audio.io import AudioReader, check_writable, read_audio
    from latentstem.audio.resampling import resample
    from latentstem.pipelines.files import MixFile
    from latentstem.pipelines.quality import Quality
    from latentstem.preview import draw_spectrograms

    if max_duration <= 0:
        raise UsageError(f"--max-duration is {max_duration:g}; expected a positive number of seconds")
    outputs = [output] if count == 1 else [_numbered(output, k) for k in range(1, count + 1)]
    with_mixes = [path.with_name(f"{path.stem}-with-mix{path.suffix}") if preview else None for path in outputs]
    for path in filter(None, [*outputs, *with_mixes]):
        check_writable(path)
        if any(path.resolve() == source.resolve() for source in (mix, style) if source is not None):
            raise UsageError(f"{path}: is an input and would be overwritten; name another file with -o")
    chosen_device = choose_device(device)
    with _quiet_decoders():
        AudioReader(mix, max_duration)  # refuses what it can before the weights are loaded
        style_audio, style_rate = (None, 0) if style is None else read_audio(style, max_duration)
    console = Console(stderr=True)
    with console.status("loading the weights"):
        pipe = load_pipeline(weights).to(chosen_device)
    pipe.set_progress_bar_config(disable=not console.is_terminal)
    quality_steps = Quality(quality).prepare(pipe)
    model_style = None if style_audio is None else resample(style_audio, style_rate, pipe.sampling_rate)[None]
    # Not for every file: it silences the progress bars too.
    quietly = _quiet_decoders if mix.suffix.lower() == ".mp3" else nullcontext
    with library_errors(), quietly():
        mix_file = MixFile.encode(pipe, mix, max_duration)

    import torch

    for index, (path, with_mix) in enumerate(zip(outputs, with_mixes, strict=True)):
        stop_if_interrupted()
        picture = path.with_suffix(".png")
        with library_errors():
            result: Any = pipe(
                mix_latents=mix_file.latents,
                sampling_rate=pipe.sampling_rate,
                style=model_style,
                style_strength=style_strength,
                num_inference_steps=steps or quality_steps,
                guidance_scale=guidance_scale,
                guidance_rescale=guidance_rescale,
                generator=torch.Generator().manual_seed(seed + index),
                output_type="latent",
            )
            with quietly():
                peak = mix_file.write_stem(
                    pipe, result.audios, path, with_mix, partial(draw_spectrograms, picture) if preview else None
                )
        rate = mix_file.reader.sampling_rate
        _report(path, f"seed {seed + index}, {mix_file.samples / rate:.2f} s at {rate} Hz, peak {_decibels(peak)}")
        if with_mix is not None:
            _report(with_mix, "mix and stem")
            _report(picture, "spectrograms of mix, stem and both")


def _numbered(path: Path, number: int) -> Path:
    return path.with_name(f"{path.stem}-{number}{path.suffix}")


def _report(path: Path, what: str) -> None:
    print(f"{path}: {what}", flush=True)


def _decibels(magnitude: float) -> str:
    return f"{20 * math.log10(max(magnitude, 1e-9)):.1f} dB"


@contextmanager
def _quiet_decoders() -> Iterator[None]:
    """Keep the mp3 decoder's own lines off standard error: it writes there from C, beside our one line."""
    sys.stderr.flush()
    saved, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nothing)
