"""The command line: `latentstem accompany`, `corpus`, `data`, `train` and `evaluate`.

It parses, calls and prints. Every error is one line on standard error: exit code 2 for what the caller can mend in
the command or its files, 1 for a failure or an interruption.
"""

import math
import os
import signal
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console

import latentstem
from latentstem.cli.data import corpus, data_app
from latentstem.cli.errors import TRACEBACK, UsageError, finite, library_errors
from latentstem.cli.evaluate import evaluate
from latentstem.cli.loading import choose_device, load_pipeline
from latentstem.cli.train import train_app

__all__ = ["UsageError", "app", "choose_device", "load_pipeline", "main"]

app = typer.Typer(
    name="latentstem",
    help="Give it a mix, get a bass that fits.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(data_app, name="data")
app.add_typer(train_app, name="train")

_TYPER_INTERRUPTED = 130
_interruptions: list[int] = []
_INTERRUPTED = "interrupted; the files reported above are whole"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 0, 1 (failed, interrupted) or 2 (bad usage or input).

    Args:
        arguments: the words after the program's name; those of this process by default.

    Example:
        >>> from latentstem.cli import main
        >>> main(["--version"])
        latentstem 0.1.0
        0
    """
    # A terminated run unwinds like an interrupted one, so that no temporary file stays behind.
    _interruptions.clear()
    before = {number: signal.signal(number, _interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    command = typer.main.get_command(app)
    try:
        with _one_line_warnings():
            code = command.main(args=arguments, prog_name="latentstem", standalone_mode=False) or 0
        return code if code != _TYPER_INTERRUPTED else _fail(_INTERRUPTED, code=1)
    except SystemExit as exit:  # the options of a training are read by argparse
        return exit.code if isinstance(exit.code, int) else 1
    except typer.TyperException as error:  # unknown options, values out of range
        return _fail(error.format_message(), code=2)
    except (KeyboardInterrupt, typer.Abort):
        return _fail(_INTERRUPTED, code=1)
    except Exception as error:
        if os.environ.get(TRACEBACK):
            raise
        if isinstance(error, UsageError | latentstem.AudioError):
            return _fail(str(error), code=2)
        return _fail(f"{type(error).__name__}: {error} (set {TRACEBACK}=1 to see where)", code=1)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(number: int, _: object) -> None:
    # Python drops an exception that is raised inside a finaliser, this one too: remember it for `_stop_if_interrupted`.
    _interruptions.append(number)
    raise KeyboardInterrupt


def _stop_if_interrupted() -> None:
    if _interruptions:
        raise KeyboardInterrupt


def _fail(message: str, code: int) -> int:
    if message:  # without arguments typer has printed the help and has nothing to add
        print("error:", " ".join(message.split()), file=sys.stderr)
    return code


@contextmanager
def _one_line_warnings() -> Iterator[None]:
    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        print("note:", " ".join(str(message).split()), file=sys.stderr)

    with warnings.catch_warnings():
        warnings.showwarning = show
        warnings.filterwarnings("ignore", category=FutureWarning)
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        yield


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"latentstem {latentstem.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


@app.command()
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
        _stop_if_interrupted()
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


app.command()(corpus)
app.command()(evaluate)


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
