"""Write stems to files at the mix's own rate and length, in memory that does not grow with the length.

A stem is decoded tile by tile to a temporary file, because only its peak says whether it has to be scaled down.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

import latentstem
from latentstem.audio.formats import Bits
from latentstem.audio.io import AudioReader, AudioWriter
from latentstem.audio.loops import resample_periodic
from latentstem.audio.resampling import resample_blocks, resampled_length
from latentstem.audio.temporary import TemporaryAudio
from latentstem.pipelines.init_stem import KeptRegions
from latentstem.pipelines.input_files import EncodedMix, LoadedInitStem
from latentstem.pipelines.stem_accompaniment import StemAccompanimentPipeline


class _FromFile(Protocol):
    """A mix, or something made for one, that knows the mix's file."""

    @property
    def reader(self) -> AudioReader: ...


def write_stem_file(
    pipe: StemAccompanimentPipeline,
    mix: EncodedMix,
    latents: Tensor,
    path: str | os.PathLike[str],
    with_mix: str | os.PathLike[str] | None = None,
    init_stem: LoadedInitStem | None = None,
    bits: Bits | None = None,
    gain: float = 0.0,
) -> float:
    """Decode a stem to a file at the mix's rate and length; each file is written whole or not at all.

    The files carry the mix's tags, such as its title, as far as their format can.

    Args:
        pipe: Pipeline whose autoencoder decodes the stem.
        mix: Mix that the stem accompanies.
        latents: Normalized latents `(1, latent_channels, frames)`, as the pipeline returns them.
        path: File of the stem, at the level that fits the mix, scaled down as a whole where it would leave [-1, 1].
        with_mix: File of the mix with the stem in it, scaled down as a whole where it would leave [-1, 1]; None writes
            no such file.
        init_stem: Stem that the latents were sampled from: the new one is as loud, and regions to keep are written as
            they were.
        bits: Sample format of wav and flac files, see `AudioWriter`.
        gain: Change of the stem's level in dB, from that which fits the mix.

    Returns:
        Peak of the stem.

    Raises:
        latentstem.audio.AudioFileError: A file cannot be written.
    """
    rate, tags = mix.reader.sampling_rate, file_tags(mix)
    with decode_stem(pipe, mix, latents, Path(path).parent, init_stem, gain) as stem:
        peak = write_temporary_audio(stem, path, rate, bits, tags) * stem.peak
        if with_mix is not None:
            with add_to_mix(mix, stem, Path(with_mix).parent) as tracks:
                write_temporary_audio(tracks["both"], with_mix, rate, bits, tags)
    return peak


@contextmanager
def decode_stem(
    pipe: StemAccompanimentPipeline,
    mix: EncodedMix,
    latents: Tensor,
    folder: Path,
    init_stem: LoadedInitStem | None = None,
    gain: float = 0.0,
) -> Iterator[TemporaryAudio]:
    """Decode a stem to a temporary file, at the mix's rate and length.

    Args:
        pipe: Pipeline whose autoencoder decodes the stem.
        mix: Mix that the stem accompanies.
        latents: Normalized latents `(1, latent_channels, frames)`, as the pipeline returns them.
        folder: Folder of the temporary file.
        init_stem: Stem that the latents were sampled from: the new one is as loud, and regions to keep are put back.
        gain: Change of the level in dB; regions that are put back keep theirs.

    Yields:
        The stem, which may exceed [-1, 1] unless regions were put back; removed afterwards.
    """
    level, kept = (mix.gain, None) if init_stem is None else (init_stem.gain, init_stem.kept)
    with ExitStack() as stack:
        stem = stack.enter_context(TemporaryAudio(folder, pipe.audio_channels))
        for block in _decode_blocks(pipe, mix, latents, level * 10 ** (-gain / 20)):
            stem.append(block if kept is None else kept.mute(block[None], stem.samples)[0])
        if kept is not None:
            stem = _restore(kept, stem, stack.enter_context(TemporaryAudio(folder, pipe.audio_channels)))
        yield stem


def _decode_blocks(pipe: StemAccompanimentPipeline, mix: EncodedMix, latents: Tensor, gain: Tensor) -> Iterable[Tensor]:
    rate = mix.reader.sampling_rate
    num_samples = resampled_length(mix.samples, rate, pipe.sampling_rate)
    if mix.loop:
        with torch.no_grad():
            (turn,) = pipe.decode_latents(latents, num_samples, gain, boundary=pipe.boundary(loop=True))
        return [resample_periodic(turn.cpu(), mix.samples)]
    return resample_blocks(pipe.decode_stream(latents, num_samples, gain), pipe.sampling_rate, rate, mix.samples)


def _restore(kept: KeptRegions, generated: TemporaryAudio, stem: TemporaryAudio) -> TemporaryAudio:
    """Fill `stem` with the generated samples, scaled to stay within [-1, 1], and the originals."""
    scale = 1 / max(generated.peak, 1.0)
    for block in generated.blocks():
        stem.append(kept.blend(scale * block[None], stem.samples)[0])
    return stem


@contextmanager
def add_to_mix(mix: _FromFile, stem: TemporaryAudio, folder: Path) -> Iterator[dict[str, TemporaryAudio]]:
    """Add a stem to its mix, in temporary files.

    Args:
        mix: Mix that the stem accompanies, such as an `EncodedMix` or a `MeasuredMix`.
        stem: Stem from `decode_stem`, or line from `play_line`.
        folder: Folder of the temporary files.

    Yields:
        The tracks "mix", "stem" and "both", of the mix's rate and length; removed afterwards.
    """
    scale = 1 / max(stem.peak, 1.0)
    with TemporaryAudio(folder, mix.reader.channels) as alone, TemporaryAudio(folder, mix.reader.channels) as both:
        for block in mix.reader:
            both.append(block + scale * stem.read(alone.samples, block.shape[1]))
            alone.append(block)
        yield {"mix": alone, "stem": stem, "both": both}


def file_tags(mix: EncodedMix) -> dict[str, str]:
    """Return the tags of files written for a mix: those of the mix, and the software."""
    return {**mix.reader.tags, "software": f"latentstem {latentstem.__version__}"}


def write_temporary_audio(
    audio: TemporaryAudio,
    path: str | os.PathLike[str],
    sampling_rate: int,
    bits: Bits | None = None,
    tags: Mapping[str, str] | None = None,
) -> float:
    """Write temporary audio to a file, scaled down as a whole where it would leave [-1, 1].

    Args:
        audio: Audio to write.
        path: File to write.
        sampling_rate: Sampling rate in Hz.
        bits: Sample format of wav and flac files, see `AudioWriter`.
        tags: Tags of the file, such as its title, see `AudioWriter`.

    Returns:
        Factor that the audio was scaled by, at most 1.

    Raises:
        latentstem.audio.AudioFileError: The file cannot be written.
    """
    scale = 1 / max(audio.peak, 1.0)
    with AudioWriter(path, sampling_rate, audio.channels, bits, tags) as writer:
        for block in audio.blocks():
            writer.write(scale * block)
    return scale
