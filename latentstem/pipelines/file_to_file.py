"""From file to file, in memory that does not grow with the length: what the command line runs.

A mix is gone through twice, for its level and for its latents, and its stem is decoded tile by tile to a temporary
file, because only its peak says whether it has to be scaled down. Latents are held whole: an hour of them is ten
megabytes. A stem to start from is held whole, too, and as samples, and so is a loop.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import latentstem
from latentstem.audio.formats import Bits
from latentstem.audio.io import MAX_DURATION, AudioReader, AudioWriter, read_audio
from latentstem.audio.level import ActiveLevelMeter
from latentstem.audio.loops import resample_periodic
from latentstem.audio.resampling import resample, resample_blocks, resampled_length
from latentstem.audio.temporary import TemporaryAudio
from latentstem.audio.validation import check_not_cancelled, match_channels, prepare_audio
from latentstem.pipelines.init_stem import InitStem, KeptRegions, Ranges
from latentstem.pipelines.stem_accompaniment import StemAccompanimentPipeline

_ROUNDING = 0.005
"""By how many seconds a stem may be longer or shorter than its mix: what conversions between rates and formats do."""


@dataclass(frozen=True)
class MixFile:
    """A mix on the disk, of which only the latents are held.

    Attributes:
        reader: Of the file.
        samples: Its length, at its own rate.
        latents: What the pipeline takes as `mix_latents`, `(1, latent_channels, frames)`.
        gain: What the mix was brought up by, `(1,)`.
        loop: Whether it is one turn of a loop.

    Example:
        >>> import latentstem
        >>> from latentstem import StemAccompanimentPipeline
        >>> pipe = StemAccompanimentPipeline.from_pretrained(latentstem.pretrained_path("bass-gm"))
        >>> mix = MixFile.encode(pipe, "hours.flac")  # doctest: +SKIP
        >>> latents = pipe(mix_latents=mix.latents, output_type="latent").audios  # doctest: +SKIP
        >>> mix.write_stem(pipe, latents, "bass.flac")  # doctest: +SKIP
    """

    reader: AudioReader
    samples: int
    latents: Tensor
    gain: Tensor
    loop: bool = False

    @classmethod
    def encode(
        cls, pipe: StemAccompanimentPipeline, path: str | os.PathLike[str], max_duration: float = MAX_DURATION
    ) -> "MixFile":
        """Go through a file and encode it, at the reference loudness.

        Args:
            pipe: Whose autoencoder hears it.
            path: The file, of one or two channels at any rate.
            max_duration: Longest file that is read, in seconds.

        Returns:
            The encoded mix.

        Raises:
            latentstem.AudioError: The file cannot be used, see `AudioReader`.
            ValueError: It is mono and the model stereo, or stereo whose channels cancel.
        """
        reader = AudioReader(path, max_duration)
        apart, together, heard = ActiveLevelMeter(), ActiveLevelMeter(), ActiveLevelMeter()
        samples = 0
        channels = pipe.audio_channels

        def measured() -> Iterator[Tensor]:
            nonlocal samples
            for block in reader:
                samples += block.shape[1]
                apart.update(block[None])
                block = match_channels(block, channels, str(path))
                together.update(block[None])
                yield block

        for block in resample_blocks(measured(), reader.sampling_rate, pipe.sampling_rate):
            heard.update(block[None])
        if reader.channels > channels:
            check_not_cancelled(str(path), apart.rms, together.rms)

        blocks = resample_blocks(
            (match_channels(block, channels, str(path)) for block in reader), reader.sampling_rate, pipe.sampling_rate
        )
        frames = -(-resampled_length(samples, reader.sampling_rate, pipe.sampling_rate) // pipe.hop_length)
        return cls(reader, samples, pipe.encode_stream(blocks, heard.gain, frames), heard.gain)

    @classmethod
    def encode_loop(
        cls, pipe: StemAccompanimentPipeline, path: str | os.PathLike[str], max_duration: float = MAX_DURATION
    ) -> "MixFile":
        """`encode` of a file that is one turn of a loop; pass `loop=True` to the pipeline with its latents.

        Its stem goes on from its end to its beginning. It is read whole.
        """
        reader = AudioReader(path, max_duration)
        rate, channels = reader.sampling_rate, pipe.audio_channels
        audio = torch.cat(list(reader), dim=1)
        turn = prepare_audio(audio, rate, name=str(path), expected_rate=rate, expected_channels=channels)
        num_samples = resampled_length(audio.shape[1], rate, pipe.sampling_rate)
        with torch.no_grad():
            latents, gain = pipe.encode_mix(resample_periodic(turn, num_samples), loop=True)
        return cls(reader, audio.shape[1], latents, gain, loop=True)

    def write_stem(
        self,
        pipe: StemAccompanimentPipeline,
        latents: Tensor,
        path: str | os.PathLike[str],
        with_mix: str | os.PathLike[str] | None = None,
        draw: Callable[[dict[str, TemporaryAudio], int], None] | None = None,
        init_stem: "InitStemFile | None" = None,
        bits: Bits | None = None,
    ) -> float:
        """Decode a stem for this mix to a file at the mix's own rate and length, each file whole or not at all.

        The files carry the mix's tags, such as its title, as far as their kind can.

        Args:
            pipe: Whose autoencoder plays it.
            latents: Normalized, `(1, latent_channels, frames)`, as the pipeline returns them.
            path: The stem, at the level that fits the mix, scaled down as a whole where it would leave [-1, 1].
            with_mix: Where to write the mix with the stem in it, likewise scaled; None does not.
            draw: Called with mix, stem and both, and their sampling rate, to make a picture of them.
            init_stem: What the latents were sampled from: the stem is then as loud as this one, and what was to be kept
                of it is written as it was.
            bits: How wav and flac files store a sample, see `AudioWriter`.

        Returns:
            Greatest magnitude of the stem.

        Raises:
            latentstem.audio.AudioFileError: A file cannot be written.
        """
        rate = self.reader.sampling_rate
        folder = Path(path).parent
        tags = {**self.reader.tags, "software": f"latentstem {latentstem.__version__}"}
        channels = pipe.audio_channels
        with ExitStack() as stack:
            stem = stack.enter_context(TemporaryAudio(folder, channels))
            num_samples = resampled_length(self.samples, rate, pipe.sampling_rate)
            gain, kept = (self.gain, None) if init_stem is None else (init_stem.gain, init_stem.kept)
            if self.loop:
                with torch.no_grad():
                    decoded = pipe.decode_latents(latents, num_samples, gain, loop=True)
                blocks: Iterable[Tensor] = [resample_periodic(decoded[0].cpu(), self.samples)]
            else:
                decoded = pipe.decode_stream(latents, num_samples, gain)
                blocks = resample_blocks(decoded, pipe.sampling_rate, rate, self.samples)
            for block in blocks:
                stem.append(block if kept is None else kept.heard(block[None], stem.samples)[0])
            if kept is not None:
                stem = _restored(kept, stem, stack.enter_context(TemporaryAudio(folder, channels)))
            down = write_temporary_audio(stem, path, rate, bits, tags)
            if with_mix is None and draw is None:
                return down * stem.peak
            mix, both = (stack.enter_context(TemporaryAudio(folder, self.reader.channels)) for _ in range(2))
            for block in self.reader:
                both.append(block + down * stem.read(mix.samples, block.shape[1]))
                mix.append(block)
            if with_mix is not None:
                write_temporary_audio(both, with_mix, rate, bits, tags)
            if draw is not None:
                draw({"mix": mix, "stem": stem, "both": both}, rate)
        return down * stem.peak


@dataclass(frozen=True)
class InitStemFile:
    """A stem on the disk to vary, to fill in or to continue, read whole for the mix that it belongs to.

    Attributes:
        options: What the pipeline's call takes: `init_stem` at the model's rate, `strength` and `keep`.
        gain: What new stems are decoded with to be as loud as this one, `(1,)`.
        kept: Its samples at the mix's own rate, to be written where they stay; None where none do.

    Example:
        >>> import latentstem
        >>> from latentstem import StemAccompanimentPipeline
        >>> from latentstem.pipelines import MixFile
        >>> pipe = StemAccompanimentPipeline.from_pretrained(latentstem.pretrained_path("bass-gm"))
        >>> mix = MixFile.encode(pipe, "mix.flac")  # doctest: +SKIP
        >>> stem = InitStemFile.read(pipe, "bass.flac", mix, keep=[(0.0, 8.0)])  # doctest: +SKIP
        >>> call = {"sampling_rate": pipe.sampling_rate, "output_type": "latent"}
        >>> latents = pipe(mix_latents=mix.latents, **call, **stem.options).audios  # doctest: +SKIP
        >>> mix.write_stem(pipe, latents, "continued.flac", init_stem=stem)  # doctest: +SKIP
    """

    options: dict[str, Any]
    gain: Tensor
    kept: KeptRegions | None

    @classmethod
    def read(
        cls,
        pipe: StemAccompanimentPipeline,
        path: str | os.PathLike[str],
        mix: MixFile,
        strength: float | None = None,
        keep: Ranges | None = None,
        max_duration: float = MAX_DURATION,
    ) -> "InitStemFile":
        """Read a stem, at the mix's own rate and at the model's.

        Args:
            pipe: Which is to start from it.
            path: The file, of one or two channels at any rate, as long as the mix to within 5 ms; it is cut, or padded
                with silence, to the mix's length.
            mix: What it accompanies.
            strength: As for the pipeline's call.
            keep: Likewise.
            max_duration: Longest file that is read, in seconds.

        Returns:
            The stem.

        Raises:
            latentstem.AudioError: The file cannot be used, see `AudioReader`.
            ValueError: It is longer or shorter than the mix, mono where the model is stereo, or stereo whose channels
                cancel; or a range to keep leaves it.
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
        start = InitStem.prepare(_resampled(audio, own_rate, rate, mix.samples)[None], rate, strength, keep)
        num_samples = resampled_length(mix.samples, rate, pipe.sampling_rate)
        heard = _resampled(audio, own_rate, pipe.sampling_rate, num_samples)
        return cls({"init_stem": heard, "strength": strength, "keep": keep}, start.gain(mix.gain), start.kept)


def write_temporary_audio(
    spool: TemporaryAudio,
    path: str | os.PathLike[str],
    sampling_rate: int,
    bits: Bits | None = None,
    tags: Mapping[str, str] | None = None,
) -> float:
    """Writes what was laid aside to a file, scaled down as a whole where it would leave [-1, 1].

    Args:
        spool: The audio.
        path: The file.
        sampling_rate: In Hz.
        bits: How wav and flac files store a sample, see `AudioWriter`.
        tags: What the file is to say of itself, likewise.

    Returns:
        What it was scaled by, at most 1.

    Raises:
        latentstem.audio.AudioFileError: The file cannot be written.
    """
    down = 1 / max(spool.peak, 1.0)
    with AudioWriter(path, sampling_rate, spool.channels, bits, tags) as writer:
        for block in spool.blocks():
            writer.write(down * block)
    return down


def _resampled(audio: Tensor, from_rate: int, to_rate: int, num_samples: int) -> Tensor:
    """At another rate, and scaled down where that leads beyond full scale; at the same one the same samples."""
    resampled = resample(audio, from_rate, to_rate, num_samples)
    return resampled if from_rate == to_rate else resampled / resampled.abs().max().clamp(min=1.0)


def _restored(kept: KeptRegions, generated: TemporaryAudio, stem: TemporaryAudio) -> TemporaryAudio:
    """Fills `stem` with what is heard of the generated samples, within [-1, 1], and the originals."""
    down = 1 / max(generated.peak, 1.0)
    for block in generated.blocks():
        stem.append(kept.blend(down * block[None], stem.samples)[0])
    return stem
