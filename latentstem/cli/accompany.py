"""`latentstem accompany`: a stem, or several, for a mix."""

import math
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import typer
from rich.console import Console

from latentstem.cli.errors import UsageError, finite, library_errors
from latentstem.cli.interruption import stop_if_interrupted
from latentstem.cli.loading import choose_device, load_pipeline

if TYPE_CHECKING:
    from torch import Tensor

    from latentstem.pipelines.stem_accompaniment import StemAccompanimentPipeline


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
            help="Seconds of STEM that stay as they are, e.g. 0:8, :8 or 12:; give it again for several ranges.",
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
    output: Annotated[Path, typer.Option("--output", "-o", help="The stem: .wav, .flac, .ogg or .mp3.")] = Path(
        "bass.wav"
    ),
    preview: Annotated[
        bool, typer.Option("--preview", help="Also write the mix with the stem in it, and a picture of both.")
    ] = False,
) -> None:
    """Write a stem that fits MIX, at the mix's own sampling rate and length.

    With --keep-best the candidates are scored by the judge that came with the weights. Figures that are taken with this
    judge must never be of stems that it chose.
    """
    from latentstem.audio.io import AudioReader, read_audio
    from latentstem.audio.resampling import resample
    from latentstem.pipelines.files import InitStemFile, MixFile
    from latentstem.pipelines.init_stem import check_init_stem
    from latentstem.pipelines.quality import Quality
    from latentstem.preview import draw_spectrograms

    if max_duration <= 0:
        raise UsageError(f"--max-duration is {max_duration:g}; expected a positive number of seconds")
    if keep_best is not None and keep_best > count:
        raise UsageError(f"--keep-best is {keep_best}; expected at most the number of candidates, --count {count}")
    if loop and keep:
        raise UsageError("--keep is not for a loop, which has no beginning or end; vary it with --strength instead")
    if init is None and (strength is not None or keep):
        raise UsageError("--strength and --keep are about a stem to start from; name it with --init")
    ranges = [_seconds(text) for text in keep] if keep else None
    with library_errors():
        check_init_stem(init, strength, ranges)
    outputs = _numbered(output, count if keep_best is None else keep_best)
    with_mixes = [path.with_name(f"{path.stem}-with-mix{path.suffix}") if preview else None for path in outputs]
    _check_outputs([*outputs, *filter(None, with_mixes)], inputs=[mix, *filter(None, (style, init))])
    chosen_device = choose_device(device)
    with _quiet_decoders():
        for path in filter(None, (mix, init)):
            AudioReader(path, max_duration)  # refuses what it can before the weights are loaded
        style_audio, style_rate = (None, 0) if style is None else read_audio(style, max_duration)
    console = Console(stderr=True)
    with console.status("loading the weights"):
        pipe = load_pipeline(weights).to(chosen_device)
    if keep_best is not None and pipe.judge is None:
        raise UsageError(f"--keep-best needs a judge to choose by, and the weights {weights} have none; leave it out")
    pipe.set_progress_bar_config(disable=not console.is_terminal)
    quality_steps = Quality(quality).prepare(pipe)
    model_style = None if style_audio is None else resample(style_audio, style_rate, pipe.sampling_rate)[None]
    # Not for every file: it silences the progress bars too.
    quietly = _quiet_decoders if ".mp3" in (path.suffix.lower() for path in (mix, init) if path) else nullcontext
    with library_errors(), quietly():
        mix_file = (MixFile.encode_loop if loop else MixFile.encode)(pipe, mix, max_duration)
        init_file = None if init is None else InitStemFile.read(pipe, init, mix_file, strength, ranges, max_duration)

    options = {
        "mix_latents": mix_file.latents,
        "sampling_rate": pipe.sampling_rate,
        "style": model_style,
        "style_strength": style_strength,
        "num_inference_steps": steps or quality_steps,
        "guidance_scale": guidance_scale,
        "guidance_rescale": guidance_rescale,
        "loop": loop,
        **({} if init_file is None else init_file.options),
    }
    candidates: Iterable[_Candidate] = _drawn(pipe, range(seed, seed + count), options)
    if keep_best is not None:
        candidates = _best(pipe, mix_file.latents, candidates, keep_best)
    rate = mix_file.reader.sampling_rate
    for index, (path, with_mix, candidate) in enumerate(zip(outputs, with_mixes, candidates, strict=True)):
        stop_if_interrupted()
        picture = path.with_suffix(".png")
        draw = partial(draw_spectrograms, picture) if preview else None
        with library_errors(), quietly():
            peak = mix_file.write_stem(pipe, candidate.latents, path, with_mix, draw, init_file)
        place = "" if keep_best is None else f", {_place(index)} of {count}"
        made = f"{mix_file.samples / rate:.2f} s at {rate} Hz, peak {_decibels(peak)}"
        _report(path, f"seed {candidate.seed}, {made}{place}")
        if with_mix is not None:
            _report(with_mix, "mix and stem")
            _report(picture, "spectrograms of mix, stem and both")


class _Candidate(NamedTuple):
    seed: int
    latents: "Tensor"


def _drawn(pipe: "StemAccompanimentPipeline", seeds: Iterable[int], options: dict[str, Any]) -> Iterator[_Candidate]:
    """Draw the candidates one at a time, so that each is that of its seed alone and an interruption costs only one."""
    import torch

    for seed in seeds:
        stop_if_interrupted()
        with library_errors():
            result: Any = pipe(**options, generator=torch.Generator().manual_seed(seed), output_type="latent")
        yield _Candidate(seed, result.audios)


def _best(
    pipe: "StemAccompanimentPipeline", mix_latents: "Tensor", candidates: Iterable[_Candidate], keep_best: int
) -> list[_Candidate]:
    """The best candidates, best first; no more than these are held while the others come and go."""
    best: list[tuple[float, _Candidate]] = []
    for candidate in candidates:
        best.append((pipe.score(mix_latents, candidate.latents).item(), candidate))
        best.sort(key=lambda scored: -scored[0])  # stable: of equal ones the earlier seed
        del best[keep_best:]
    return [candidate for _, candidate in best]


def _seconds(text: str) -> tuple[float, float | None]:
    """What --keep says, "8:12", ":8" or "12:", as the pipeline takes it."""
    start, colon, end = text.partition(":")
    try:
        if colon:
            return float(start or 0), float(end) if end else None
    except ValueError:
        pass
    raise UsageError(f"--keep is {text!r}; expected START:END in seconds, e.g. 0:8, :8 or 12:")


def _numbered(path: Path, number: int) -> list[Path]:
    """The path itself for one file, OUT-1, OUT-2 and so on for more."""
    if number == 1:
        return [path]
    return [path.with_name(f"{path.stem}-{k}{path.suffix}") for k in range(1, number + 1)]


def _check_outputs(outputs: Sequence[Path], inputs: Sequence[Path]) -> None:
    from latentstem.audio.io import check_writable

    for path in outputs:
        check_writable(path)
        if any(path.resolve() == source.resolve() for source in inputs):
            raise UsageError(f"{path}: is an input and would be overwritten; name another file with -o")


def _place(index: int) -> str:
    return "best" if index == 0 else f"number {index + 1}"


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
