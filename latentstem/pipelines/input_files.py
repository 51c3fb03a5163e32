"""Read mixes and stems to start from off the disk; a mix takes memory that does not grow with its length.

A mix is read twice, once for its level and once for its latents, which are held whole: an hour of them is ten
megabytes. A loop, and a stem to start from, are held whole as samples.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from latentstem.audio.errors import AudioContentError
from latentstem.audio.io import MAX_DURATION, AudioReader, read_audio
from latentstem.audio.level import SILENCE_RMS, ActiveLevelMeter, active_rms
from latentstem.audio.loops import resample_periodic
from latentstem.audio.resampling import resample, resample_blocks, resampled_length
from latentstem.audio.validation import check_not_cancelled, match_channels, prepare_audio
from latentstem.pipelines.init_stem import InitStem, KeptRegions, Ranges
from latentstem.pipelines.stem_accompaniment import StemAccompanimentPipeline

_ROUNDING = 0.005
"""Seconds by which a stem may be longer or shorter than its mix, from conversions between rates and formats."""


@dataclass(frozen=True)
class EncodedMix:
    """The latents of a mix, with the file that they are of.

    Attributes:
        reader: Reader of the mix's file.
        samples: Length of the mix in samples, at its own rate.
        latents: Normalized latents `(1, latent_channels, frames)`, the pipeline's `mix_latents`.
        gain: Gain that brought the mix to the reference loudness, `(1,)`.
        loop: Whether the mix is one turn of a loop.

    Example:
        >>> from latentstem import StemAccompanimentPipeline
        >>> from latentstem.pipelines import write_stem_file
        >>> pipe = StemAccompanimentPipeline.from_pretrained("bass")
        >>> mix = encode_mix_file(pipe, "hours.flac")  # doctest: +SKIP
        >>> latents = pipe(mix_latents=mix.latents, output_type="latent").audios  # doctest: +SKIP
        >>> write_stem_file(pipe, mix, latents, "bass.flac")  # doctest: +SKIP
    """

    reader: AudioReader
    samples: int
    latents: Tensor
    gain: Tensor
    loop: bool = False


def encode_mix_file(
    pipe: StemAccompanimentPipeline,
    path: str | os.PathLike[str],
    max_duration: float = MAX_DURATION,
    loop: bool = False,
) -> EncodedMix:
    """Read a mix and encode it at the reference loudness.

    Args:
        pipe: Pipeline whose autoencoder encodes the mix.
        path: File of the mix, of one or two channels at any rate.
        max_duration: Longest file that is read, in seconds.
        loop: Whether the mix is one turn of a loop, which is read whole; pass `loop=True` to the pipeline's call too.

    Returns:
        The encoded mix.

    Raises:
        latentstem.AudioError: The file cannot be used, see `AudioReader`, or it is silent.
        ValueError: The file is mono and the model stereo, or it is stereo and its channels cancel.
    """
    reader = AudioReader(path, max_duration)
    return _encode_loop(pipe, reader) if loop else _encode_blocks(pipe, reader)


def check_level(name: str, level: float) -> None:
    """Refuse a silent file.

    Args:
        name: Path of the file, for the message.
        level: Level of what sounds in it, see `latentstem.audio.active_rms`.

    Raises:
        latentstem.AudioError: It is silent.
    """
    if level <= SILENCE_RMS:
        raise AudioContentError(
            f"{name}: is silence from beginning to end; choose a recording in which something sounds"
        )


def _encode_blocks(pipe: StemAccompanimentPipeline, reader: AudioReader) -> EncodedMix:
    name, rate, channels = str(reader.path), reader.sampling_rate, pipe.audio_channels
    sides, matched, resampled = ActiveLevelMeter(), ActiveLevelMeter(), ActiveLevelMeter()
    samples = 0

    def measured_blocks() -> Iterator[Tensor]:
        nonlocal samples
        for block in reader:
            samples += block.shape[1]
            sides.update(block[None])
            block = match_channels(block, channels, name)
            matched.update(block[None])
            yield block

    for block in resample_blocks(measured_blocks(), rate, pipe.sampling_rate):
        resampled.update(block[None])
    check_level(name, sides.rms.item())
    if reader.channels > channels:
        check_not_cancelled(name, sides.rms, matched.rms)

    blocks = (match_channels(block, channels, name) for block in reader)
    frames = pipe.count_frames(resampled_length(samples, rate, pipe.sampling_rate))
    latents = pipe.encode_stream(resample_blocks(blocks, rate, pipe.sampling_rate), resampled.gain, frames)
    return EncodedMix(reader, samples, latents, resampled.gain)


@torch.no_grad()
def _encode_loop(pipe: StemAccompanimentPipeline, reader: AudioReader) -> EncodedMix:
    rate, channels = reader.sampling_rate, pipe.audio_channels
    audio = torch.cat(list(reader), dim=1)
    check_level(str(reader.path), active_rms(audio[None]).item())
    turn = prepare_audio(audio, rate, name=str(reader.path), expected_rate=rate, expected_channels=channels)
    num_samples = resampled_length(audio.shape[1], rate, pipe.sampling_rate)
    latents, gain = pipe.encode_mix(resample_periodic(turn, num_samples), pipe.boundary(loop=True))
    return EncodedMix(reader, audio.shape[1], latents, gain, loop=True)


def read_style_files(
    pipe: StemAccompanimentPipeline, paths: Sequence[str | os.PathLike[str]], max_duration: float = MAX_DURATION
) -> Tensor:
    """Read the recordings of a style, or of several to be blended, for the pipeline's argument `style`.

    Args:
        pipe: Pipeline that the recordings are for.
        paths: Files of one or two channels at any rate, of any lengths.
        max_duration: Longest file that is read, in seconds.

    Returns:
        Audio at the pipeline's rate and channels `(files, channels, samples)`; shorter ones end in silence, which is no
        part of a style.

    Raises:
        latentstem.AudioError: A file cannot be used, see `AudioReader`.
        ValueError: A file is mono and the model stereo, or it is stereo and its channels cancel.
    """
    styles = []
    for path in paths:
        audio, rate = read_audio(path, max_duration)
        channels = pipe.audio_channels
        (audio,) = prepare_audio(audio, rate, name=str(path), expected_rate=rate, expected_channels=channels)
        styles.append(resample(audio, rate, pipe.sampling_rate))
    longest = max(style.shape[-1] for style in styles)
    return torch.stack([torch.nn.functional.pad(style, (0, longest - style.shape[-1])) for style in styles])


@dataclass(frozen=True)
class LoadedInitStem:
    """A stem to vary, to fill in or to continue, read whole for its mix.

    Attributes:
        options: Arguments of the pipeline's call: `init_stem` at the model's rate, `strength` and `keep`.
        gain: Gain that brings the stem to the reference loudness, `(1,)`; new stems decoded with it are as loud.
        kept: Regions to keep, at the mix's own rate; None keeps nothing.

    Example:
        >>> from latentstem import StemAccompanimentPipeline
        >>> from latentstem.pipelines import write_stem_file
        >>> pipe = StemAccompanimentPipeline.from_pretrained("bass")
        >>> mix = encode_mix_file(pipe, "mix.flac")  # doctest: +SKIP
        >>> stem = read_init_stem_file(pipe, "bass.flac", mix, keep=[(0.0, 8.0)])  # doctest: +SKIP
        >>> call = {"sampling_rate": pipe.sampling_rate, "output_type": "latent"}
        >>> latents = pipe(mix_latents=mix.latents, **call, **stem.options).audios  # doctest: +SKIP
        >>> write_stem_file(pipe, mix, latents, "continued.flac", init_stem=stem)  # doctest: +SKIP
    """

    options: dict[str, Any]
    gain: Tensor
    kept: KeptRegions | None


def read_init_stem_file(
    pipe: StemAccompanimentPipeline,
    path: str | os.PathLike[str],
    mix: EncodedMix,
    strength: float | None = None,
    keep: Ranges | None = None,
    max_duration: float = MAX_DURATION,
) -> LoadedInitStem:
    """Read a stem to start from, at the mix's own rate and at the model's.

    Args:
        pipe: Pipeline that starts from the stem.
        path: File of the stem, of one or two channels at any rate, as long as the mix to within 5 ms; it is cut, or
            padded with silence, to the mix's length.
        mix: Mix that the stem accompanies.
        strength: Fraction of the steps to run, above 0 and up to 1; None is 0.6, or 1 with `keep`.
        keep: Ranges (start, end) of the stem in seconds that stay, with None for its end; None keeps nothing.
        max_duration: Longest file that is read, in seconds.

    Returns:
        The stem.

    Raises:
        latentstem.AudioError: The file cannot be used, see `AudioReader`.
        ValueError: The stem is longer or shorter than the mix, mono where the model is stereo, or stereo and its
            channels cancel; or a range to keep leaves it.
    """
    audio, own_rate = read_audio(path, max_duration)
    rate = mix.reader.sampling_rate
    duration, expected = audio.shape[1] / own_rate, mix.samples / rate
    if abs(duration - expected) > _ROUNDING:
        raise ValueError(
            f"{path}: lasts {duration:.3f} s, and the mix {expected:.3f} s; cut it, or pad it with silence, to the "
            "length of the mix"
        )
    channels = pipe.audio_channels
    (audio,) = prepare_audio(audio, own_rate, name=str(path), expected_rate=own_rate, expected_channels=channels)
    start = InitStem.prepare(_resample(audio, own_rate, rate, mix.samples)[None], rate, strength, keep, mix.loop)
    num_samples = resampled_length(mix.samples, rate, pipe.sampling_rate)
    at_model_rate = _resample(audio, own_rate, pipe.sampling_rate, num_samples)
    options = {"init_stem": at_model_rate, "strength": strength, "keep": keep}
    return LoadedInitStem(options, start.gain(mix.gain), start.kept)


def _resample(audio: Tensor, from_rate: int, to_rate: int, num_samples: int) -> Tensor:
    """Resample, and scale down where that exceeds full scale; at the same rate the samples stay as they are."""
    resampled = resample(audio, from_rate, to_rate, num_samples)
    return resampled if from_rate == to_rate else resampled / resampled.abs().max().clamp(min=1.0)
