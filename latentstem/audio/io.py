"""Audio files in and out, and resampling: soundfile for wav, flac, mp3 and ogg, soxr for any ratio of rates.

What comes from outside is hostile until checked: the length in the header is held against a limit before anything
is read, reading goes by blocks, and NaN, Inf, empty and cut files are refused. Every error is one line that says
what was found, what was expected and what to do.
"""

import os
import re
from pathlib import Path

import numpy as np
import soundfile
import soxr
import torch
from torch import Tensor

MAX_DURATION = 3 * 3600.0
"""Longest file that `read_audio` takes unless told otherwise, in seconds."""

_BLOCK_FRAMES = 1 << 18
# Three hours at 384 kHz would be 33 GB: a file may hold as many values as stereo of the longest duration at 48 kHz.
_VALUES_PER_SECOND = 2 * 48_000
_MAX_SAMPLING_RATE = 768_000
_UNKNOWN_FRAMES = 2**62  # libsndfile reports the greatest 63-bit number where a header gives no length
_SUBTYPES = {".wav": "PCM_24", ".flac": "PCM_24", ".ogg": "VORBIS", ".mp3": "MPEG_LAYER_III"}


class AudioError(ValueError):
    """An audio file or signal that cannot be used; the message is one line that says why and what to do."""


class AudioFileError(AudioError):
    """A file that is missing, is not audio, is cut short, or cannot be written."""


class AudioLengthError(AudioError):
    """A file whose header promises more than the limit."""


class AudioContentError(AudioError):
    """Audio that was read but cannot be used: empty, not finite, out of range, or of too many channels."""


def read_audio(path: str | os.PathLike[str], max_duration: float = MAX_DURATION) -> tuple[Tensor, int]:
    """Read a wav, flac, mp3 or ogg file of one or two channels at any sampling rate.

    Args:
        path: the file.
        max_duration: greatest duration in seconds that is read; held against the header before reading.

    Returns:
        `(audio, sampling_rate)`: float32 audio of shape `(channels, samples)`, and its rate in Hz.

    Raises:
        AudioFileError: there is no such file, it is not audio, or it ends before its header says.
        AudioLengthError: the header promises more than `max_duration`.
        AudioContentError: no samples, NaN or Inf, or more than two channels.

    Example:
        >>> import tempfile, torch
        >>> from latentstem import read_audio, write_audio
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_audio(f"{folder}/tone.wav", torch.full((1, 480), 0.5), 48000)
        ...     audio, sampling_rate = read_audio(f"{folder}/tone.wav")
        >>> audio.shape, sampling_rate, audio[0, 0].item()
        (torch.Size([1, 480]), 48000, 0.5)
    """
    path = Path(path)
    if not max_duration > 0:
        raise ValueError(f"max_duration is {max_duration}; expected a positive number of seconds")
    if not path.exists():
        raise AudioFileError(f"{path}: no such file; check the path")
    if path.is_dir():
        raise AudioFileError(f"{path}: is a folder, expected an audio file; name a file in it")
    if not path.is_file():
        raise AudioFileError(f"{path}: is not a regular file; copy the audio to one")
    try:
        with soundfile.SoundFile(path) as file:
            _check_header(path, file, max_duration)
            blocks = []
            while len(block := file.read(_BLOCK_FRAMES, dtype="float32", always_2d=True)):
                blocks.append(block.T)
            frames = sum(block.shape[1] for block in blocks)
            if frames == 0:
                raise AudioContentError(f"{path}: holds no samples; expected at least one")
            _check_whole(path, file, frames)
            sampling_rate = file.samplerate
    except soundfile.LibsndfileError as error:
        raise AudioFileError(
            f"{path}: cannot be read as audio ({_one_line(error.error_string)}); "
            "expected an undamaged wav, flac, mp3 or ogg file"
        ) from error
    except (OSError, TypeError) as error:  # soundfile wants a rate for headerless formats and raises TypeError
        raise AudioFileError(
            f"{path}: cannot be opened ({_one_line(error)}); expected a readable wav, flac, mp3 or ogg file"
        ) from error
    audio = np.concatenate(blocks, axis=1)
    if not np.isfinite(audio).all():
        bad = int(np.argmin(np.isfinite(audio).all(axis=0)))
        raise AudioContentError(
            f"{path}: holds NaN or Inf, first at {bad / sampling_rate:.3f} s; expected finite samples, export it again"
        )
    return torch.from_numpy(audio), sampling_rate


def _check_header(path: Path, file: soundfile.SoundFile, max_duration: float) -> None:
    if file.channels > 2:
        raise AudioContentError(
            f"{path}: has {file.channels} channels, expected one or two; mix it down to stereo first"
        )
    if not 0 < file.samplerate <= _MAX_SAMPLING_RATE:
        raise AudioContentError(
            f"{path}: states a sampling rate of {file.samplerate} Hz, expected 1 to {_MAX_SAMPLING_RATE}; "
            "export it again"
        )
    if file.frames > _UNKNOWN_FRAMES:
        raise AudioLengthError(f"{path}: its header gives no length; encode it again to a file, not to a pipe")
    duration = file.frames / file.samplerate
    if duration > max_duration or file.frames * file.channels > max_duration * _VALUES_PER_SECOND:
        raise AudioLengthError(
            f"{path}: lasts {duration:.0f} s by its header at {file.samplerate} Hz, over the limit of "
            f"{max_duration:g} s; cut it, or raise the limit (max_duration, --max-duration)"
        )


def _check_whole(path: Path, file: soundfile.SoundFile, frames: int) -> None:
    """Raise where the file ends before its header says, which libsndfile does not always tell."""
    expected = file.frames
    if file.format in ("MP3", "MPEG"):
        # Without a Xing header the length is an estimate, off by up to two blocks of 1152 and some rounding.
        expected = int(0.98 * expected) - 2304
    # libsndfile clips the length of a cut wav to what is there, and keeps the stated one in its log. A length of
    # 2 GiB or more is what programs write that stream to a pipe and do not know it.
    cut = re.search(r"^\s*data : (\d+) \(should be (\d+)\)", file.extra_info, re.MULTILINE)
    wav_cut = cut is not None and int(cut[2]) < int(cut[1]) < 0x7FFFF000
    if frames < expected or wav_cut or (file.format == "OGG" and not _ogg_ends(path)):
        raise AudioFileError(
            f"{path}: is cut short ({frames / file.samplerate:.2f} s could be read, its header says there is "
            "more); copy or export it again"
        )


def _ogg_ends(path: Path) -> bool:
    """Whether the last page of an Ogg stream carries the end-of-stream flag (RFC 3533, section 6)."""
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - 0x20000))  # a page is at most 65,307 bytes
        tail = stream.read()
    last = tail.rfind(b"OggS")
    return last >= 0 and len(tail) > last + 5 and bool(tail[last + 5] & 0x04)


def write_audio(path: str | os.PathLike[str], audio: Tensor, sampling_rate: int) -> None:
    """Write audio to a wav or flac (24 bit), ogg or mp3 file, whole or not at all.

    The samples go to a temporary name in the same folder, which takes the place of `path` when it is complete.

    Args:
        path: the file; its suffix (.wav, .flac, .ogg, .mp3) chooses the format.
        audio: `(channels, samples)`, finite and within [-1, 1].
        sampling_rate: in Hz.

    Raises:
        AudioContentError: the audio has another shape, is empty, not finite, or leaves [-1, 1].
        AudioFileError: the folder is missing, the suffix unknown, or the disk refused.

    Example:
        >>> import torch
        >>> from latentstem import write_audio
        >>> write_audio("tone.txt", torch.zeros(1, 480), 48000)
        Traceback (most recent call last):
        latentstem.audio.io.AudioFileError: tone.txt: suffix '.txt' is not known; expected .wav, .flac, .ogg or .mp3
    """
    path = Path(path)
    check_writable(path)
    if audio.ndim != 2 or audio.shape[0] not in (1, 2) or audio.shape[1] == 0:
        raise AudioContentError(
            f"{path}: audio to write has shape {tuple(audio.shape)}, expected (channels, samples) with one or two "
            "channels and at least one sample"
        )
    if not torch.isfinite(audio).all():
        raise AudioContentError(f"{path}: audio to write holds NaN or Inf; expected finite samples")
    peak = audio.abs().max().item()
    if peak > 1:
        raise AudioContentError(
            f"{path}: audio to write reaches {peak:.3f}, expected at most 1; scale it, or it would be clipped"
        )
    samples = audio.detach().to("cpu", torch.float32).T.numpy()
    partial = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    try:
        soundfile.write(partial, samples, sampling_rate, subtype=_SUBTYPES[path.suffix.lower()])
        partial.replace(path)
    except (OSError, soundfile.LibsndfileError) as error:
        raise AudioFileError(
            f"{path}: cannot be written ({_one_line(error)}); check the disk, the rights and the sampling rate "
            f"({sampling_rate} Hz)"
        ) from error
    finally:
        partial.unlink(missing_ok=True)


def check_writable(path: str | os.PathLike[str]) -> None:
    """Raise `AudioFileError` now where `write_audio` would refuse the path later: for work that takes long.

    Example:
        >>> from latentstem.audio.io import check_writable
        >>> check_writable("bass.wav")
    """
    path = Path(path)
    if path.suffix.lower() not in _SUBTYPES:
        raise AudioFileError(f"{path}: suffix {path.suffix!r} is not known; expected .wav, .flac, .ogg or .mp3")
    if path.is_dir():
        raise AudioFileError(f"{path}: is a folder; name a file in it")
    if not path.parent.is_dir():
        raise AudioFileError(f"{path}: folder {path.parent} does not exist; create it first")
    if not os.access(path.parent, os.W_OK):
        raise AudioFileError(f"{path}: folder {path.parent} cannot be written to; choose another")


def resample(audio: Tensor, from_rate: int, to_rate: int, num_samples: int | None = None) -> Tensor:
    """Change the sampling rate, at a length that is known beforehand.

    Args:
        audio: `(channels, samples)` float32.
        from_rate: rate of `audio` in Hz.
        to_rate: wanted rate in Hz.
        num_samples: length of the result; by default `ceil(samples * to_rate / from_rate)`. Resampling there and
            back with the first length given here returns a signal of exactly that length.

    Returns:
        `(channels, num_samples)` float32, on the CPU; zero-padded or trimmed at the end where the resampler's own
        length differs.

    Raises:
        ValueError: a rate is not positive.

    Example:
        >>> import torch
        >>> from latentstem import resample
        >>> there = resample(torch.zeros(2, 1000), 48000, 44100)
        >>> there.shape, resample(there, 44100, 48000, num_samples=1000).shape
        (torch.Size([2, 919]), torch.Size([2, 1000]))
    """
    if from_rate <= 0 or to_rate <= 0:
        raise ValueError(f"sampling rates are {from_rate} and {to_rate} Hz; expected positive numbers")
    if num_samples is None:
        num_samples = -(-audio.shape[-1] * to_rate // from_rate)
    if from_rate == to_rate:
        converted = audio
    else:
        frames_first = np.ascontiguousarray(audio.detach().cpu().numpy().T)
        converted = torch.from_numpy(soxr.resample(frames_first, from_rate, to_rate)).T.contiguous()
    missing = num_samples - converted.shape[-1]
    return torch.nn.functional.pad(converted, (0, missing))  # a negative pad trims


def _one_line(error: object) -> str:
    return " ".join(str(error).split()).rstrip(".")
