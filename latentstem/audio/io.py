"""Reader and writer of wav, flac, mp3 and ogg files, whole or block by block, through soundfile.

Files from outside are hostile until checked: the length in the header is compared with a limit before anything is read,
reading goes by blocks, and NaN, Inf, empty and cut files are refused. Every error is one line that says what was found,
what was expected and what to do.
"""

import os
import re
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import numpy as np
import soundfile
import torch
from torch import Tensor

from latentstem.audio.errors import AudioContentError, AudioFileError, AudioLengthError
from latentstem.audio.formats import Bits, check_readable, check_writable, storage
from latentstem.audio.limits import LOUDEST, MAX_DURATION, MAX_SAMPLING_RATE, VALUES_PER_SECOND

_BLOCK_FRAMES = 1 << 18
_UNKNOWN_FRAMES = 2**62  # libsndfile reports the greatest 63-bit number where a header gives no length
_LONGEST_TAG = 2000  # characters; of a wav libsndfile reads no longer ones, nor those after them


class AudioReader:
    """A wav, flac, mp3 or ogg file of one or two channels at any sampling rate, read block by block.

    It can be iterated any number of times; nothing but a block is held. The header is checked at once, the samples as
    they are read.

    Args:
        path: Path of the file.
        max_duration: Greatest duration in seconds that is read; compared with the header before reading.

    Attributes:
        sampling_rate: Sampling rate in Hz.
        channels: Number of channels, 1 or 2.
        duration: Length in seconds by the header; of some mp3 files an estimate.
        tags: Metadata of the file by name: title, artist, album, date, genre, tracknumber, comment, copyright, license
            and software, as far as the file has them.

    Raises:
        AudioFileError: There is no such file, it is not audio, or, while reading, it ends before its header says.
        AudioLengthError: The file is longer, by its header, than `max_duration`.
        AudioContentError: More than two channels, or, while reading, no samples, NaN, Inf or samples over 1e12.

    Example:
        >>> import tempfile, torch
        >>> from latentstem import write_audio
        >>> from latentstem.audio import AudioReader
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_audio(f"{folder}/tone.wav", torch.full((1, 300_000), 0.5), 48000)
        ...     reader = AudioReader(f"{folder}/tone.wav")
        ...     reader.sampling_rate, [block.shape for block in reader]
        (48000, [torch.Size([1, 262144]), torch.Size([1, 37856])])
    """

    def __init__(self, path: str | os.PathLike[str], max_duration: float = MAX_DURATION):
        self.path = Path(path)
        if not max_duration > 0:
            raise ValueError(f"max_duration is {max_duration}; expected a positive number of seconds")
        check_readable(path)
        with self._open() as file:
            _check_header(self.path, file, max_duration)
            self.sampling_rate: int = file.samplerate
            self.channels: int = file.channels
            self.duration: float = file.frames / file.samplerate
            self.tags: dict[str, str] = {name: text for name, text in file.copy_metadata().items() if text}

    def __iter__(self) -> Iterator[Tensor]:
        """Yield float32 blocks `(channels, samples)`."""
        frames = 0
        with self._open() as file:
            while len(block := file.read(_BLOCK_FRAMES, dtype="float32", always_2d=True)):
                usable = (np.abs(block) <= LOUDEST).all(axis=1)
                if not usable.all():
                    first = int(np.argmin(usable))
                    peak = np.abs(block[first]).max()
                    found = f"reaches {peak:.3g}" if np.isfinite(peak) else "holds NaN or Inf"
                    raise AudioContentError(
                        f"{self.path}: {found}, first at {(frames + first) / self.sampling_rate:.3f} s; expected "
                        "finite samples in [-1, 1], export it again"
                    )
                frames += len(block)
                yield torch.from_numpy(np.ascontiguousarray(block.T))
            if frames == 0:
                raise AudioContentError(f"{self.path}: holds no samples; expected at least one")
            _check_whole(self.path, file, frames)

    @contextmanager
    def _open(self) -> Iterator[soundfile.SoundFile]:
        try:
            name: Any = os.fsencode(self.path)  # need not be UTF-8
            with soundfile.SoundFile(name) as file:
                yield file
        except soundfile.LibsndfileError as error:
            raise AudioFileError(
                f"{self.path}: cannot be read as audio ({_one_line(error.error_string)}); "
                "expected an undamaged wav, flac, mp3 or ogg file"
            ) from error
        except (OSError, TypeError) as error:  # soundfile wants a rate for headerless formats and raises TypeError
            raise AudioFileError(
                f"{self.path}: cannot be opened ({_one_line(error)}); expected a readable wav, flac, mp3 or ogg file"
            ) from error


def read_audio(path: str | os.PathLike[str], max_duration: float = MAX_DURATION) -> tuple[Tensor, int]:
    """Read a whole wav, flac, mp3 or ogg file.

    Args:
        path: Path of the file.
        max_duration: Greatest duration in seconds that is read; compared with the header before reading.

    Returns:
        `(audio, sampling_rate)`: float32 audio of shape `(channels, samples)`, and its rate in Hz.

    Raises:
        AudioFileError: There is no such file, it is not audio, or it ends before its header says.
        AudioLengthError: The file is longer, by its header, than `max_duration`.
        AudioContentError: No samples, NaN, Inf or samples over 1e12, or more than two channels.

    Example:
        >>> import tempfile, torch
        >>> from latentstem import read_audio, write_audio
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_audio(f"{folder}/tone.wav", torch.full((1, 480), 0.5), 48000)
        ...     audio, sampling_rate = read_audio(f"{folder}/tone.wav")
        >>> audio.shape, sampling_rate, audio[0, 0].item()
        (torch.Size([1, 480]), 48000, 0.5)
    """
    reader = AudioReader(path, max_duration)
    return torch.cat(list(reader), dim=1), reader.sampling_rate


def _check_header(path: Path, file: soundfile.SoundFile, max_duration: float) -> None:
    if file.channels > 2:
        raise AudioContentError(
            f"{path}: has {file.channels} channels, expected one or two; mix it down to stereo first"
        )
    if file.samplerate > MAX_SAMPLING_RATE:  # libsndfile opens no file of rate 0
        raise AudioContentError(
            f"{path}: states a sampling rate of {file.samplerate} Hz, expected 1 to {MAX_SAMPLING_RATE}; "
            "export it again"
        )
    if file.frames > _UNKNOWN_FRAMES:
        raise AudioLengthError(f"{path}: its header gives no length; encode it again to a file, not to a pipe")
    duration = file.frames / file.samplerate
    if duration > max_duration or file.frames * file.channels > max_duration * VALUES_PER_SECOND:
        raise AudioLengthError(
            f"{path}: lasts {duration:.0f} s by its header at {file.samplerate} Hz, over the limit of "
            f"{max_duration:g} s; cut it, or raise the limit (max_duration, --max-duration)"
        )


def _check_whole(path: Path, file: soundfile.SoundFile, frames: int) -> None:
    """Raise where the file ends before its header says, which libsndfile does not always report."""
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
    """Whether the last page of an Ogg stream is whole and carries the end-of-stream flag (RFC 3533, section 6)."""
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - 0x20000))  # a page is at most 65,307 bytes
        tail = stream.read()
    page = tail[tail.rfind(b"OggS") :]  # without one, the last byte
    if len(page) < 27:
        return False
    segments = page[26]
    return len(page) >= 27 + segments + sum(page[27 : 27 + segments]) and bool(page[5] & 0x04)


class AudioWriter:
    """Write a wav, flac, ogg or mp3 file block by block, whole or not at all.

    The samples go to a temporary name in the same folder, which takes the place of `path` at the end of the context;
    an exception inside leaves what was there before.

    Args:
        path: Path of the file; its suffix (.wav, .flac, .ogg, .mp3) chooses the format.
        sampling_rate: Sampling rate in Hz.
        channels: Number of channels, 1 or 2.
        bits: Storage of a sample in wav and flac files: "16" (without dither), "24" or, wav alone, "32f"; None is "24".
        tags: Metadata of the file, under the names that `AudioReader.tags` has.

    Raises:
        AudioFileError: The folder is missing, the suffix unknown or without these bits, or the disk refused.

    Example:
        >>> import tempfile, torch
        >>> from latentstem import read_audio
        >>> from latentstem.audio import AudioWriter
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with AudioWriter(f"{folder}/tone.wav", 48000, channels=1) as writer:
        ...         for _ in range(3):
        ...             writer.write(torch.full((1, 100), 0.5))
        ...     read_audio(f"{folder}/tone.wav")[0].shape
        torch.Size([1, 300])
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        sampling_rate: int,
        channels: int,
        bits: Bits | None = None,
        tags: Mapping[str, str] | None = None,
    ):
        self.path, self.sampling_rate, self.channels = Path(path), sampling_rate, channels
        check_writable(self.path, bits)
        self._storage, self._tags = storage(self.path, bits), dict(tags or {})
        if channels not in (1, 2):
            raise AudioContentError(f"{path}: got {channels} channels to write, expected one or two")
        self._partial = _partial_path(self.path)
        self._file: soundfile.SoundFile | None = None
        self._frames = 0

    def __enter__(self) -> Self:
        """Open the temporary file."""
        with self._refusals():
            name: Any = os.fsencode(self._partial)
            try:
                file = soundfile.SoundFile(name, "w", self.sampling_rate, self.channels, self._storage)
            except (OSError, soundfile.LibsndfileError):
                self._partial.unlink(missing_ok=True)
                raise
            self._file = file
        for name, text in self._tags.items():
            if text := text.partition("\0")[0]:  # where libsndfile ends it; it refuses what is empty then
                setattr(file, name, text[:_LONGEST_TAG])
        return self

    def write(self, audio: Tensor) -> None:
        """Append samples.

        Args:
            audio: `(channels, samples)`, finite and within [-1, 1].

        Raises:
            AudioContentError: The audio has another shape, is not finite, or leaves [-1, 1].
            AudioFileError: The disk refused.
        """
        if self._file is None:
            raise ValueError(f"{self.path}: is not open; write inside the context, with AudioWriter(...) as writer")
        if audio.ndim != 2 or audio.shape[0] != self.channels:
            raise AudioContentError(
                f"{self.path}: audio to write has shape {tuple(audio.shape)}, expected (channels, samples) with "
                f"{self.channels} channels"
            )
        if not torch.isfinite(audio).all():
            raise AudioContentError(f"{self.path}: audio to write holds NaN or Inf; expected finite samples")
        peak = audio.abs().max().item() if audio.numel() else 0.0
        if peak > 1:
            raise AudioContentError(
                f"{self.path}: audio to write reaches {peak:.3f}, expected at most 1; scale it, or it would be clipped"
            )
        with self._refusals():
            self._file.write(audio.detach().to("cpu", torch.float32).T.numpy())
        self._frames += audio.shape[1]

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Move the finished file into place, or remove the unfinished one."""
        try:
            with self._refusals():
                if self._file is not None:
                    self._file.close()
                if kind is None and not self._frames:
                    raise AudioContentError(f"{self.path}: no samples to write, expected at least one")
                if kind is None:
                    self._partial.replace(self.path)
        finally:
            self._partial.unlink(missing_ok=True)

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        try:
            yield
        except (OSError, soundfile.LibsndfileError) as error:
            raise AudioFileError(
                f"{self.path}: cannot be written ({_one_line(error)}); check the disk, the rights and the sampling "
                f"rate ({self.sampling_rate} Hz)"
            ) from error


def write_audio(path: str | os.PathLike[str], audio: Tensor, sampling_rate: int, bits: Bits | None = None) -> None:
    """Write a whole wav, flac, ogg or mp3 file, or none.

    Args:
        path: Path of the file; its suffix (.wav, .flac, .ogg, .mp3) chooses the format.
        audio: `(channels, samples)`, finite and within [-1, 1].
        sampling_rate: Sampling rate in Hz.
        bits: Storage of a sample in wav and flac files, see `AudioWriter`.

    Raises:
        AudioContentError: The audio has another shape, is empty, not finite, or leaves [-1, 1].
        AudioFileError: The folder is missing, the suffix unknown or without these bits, or the disk refused.

    Example:
        >>> import torch
        >>> from latentstem import write_audio
        >>> write_audio("tone.txt", torch.zeros(1, 480), 48000)
        Traceback (most recent call last):
        latentstem.audio.errors.AudioFileError: tone.txt: suffix '.txt' is not known; expected .wav, .flac, .ogg or .mp3
    """
    check_writable(path, bits)
    if audio.ndim != 2 or audio.shape[0] not in (1, 2) or audio.shape[1] == 0:
        raise AudioContentError(
            f"{path}: audio to write has shape {tuple(audio.shape)}, expected (channels, samples) with one or two "
            "channels and at least one sample"
        )
    with AudioWriter(path, sampling_rate, audio.shape[0], bits) as writer:
        for block in audio.split(_BLOCK_FRAMES, dim=1):
            writer.write(block)


def _partial_path(path: Path) -> Path:
    """Return the name of an unfinished file, which is no longer than a system takes where that of the file is not."""
    name = zlib.crc32(os.fsencode(path.name))
    return path.with_name(f".{path.stem[:40]}.{name:08x}.{os.getpid()}.part{path.suffix}")


def _one_line(error: object) -> str:
    return " ".join(str(error).split()).rstrip(".")
