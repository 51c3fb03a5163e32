"""Bass lines for mixes in files: read block by block, and written as sound or notes of the mix's length."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from latentstem.audio.formats import Bits
from latentstem.audio.io import MAX_DURATION, AudioReader, read_audio
from latentstem.audio.level import ActiveLevelMeter
from latentstem.audio.rate import SAMPLING_RATE
from latentstem.audio.resampling import resample, resample_blocks
from latentstem.audio.temporary import TemporaryAudio
from latentstem.audio.validation import check_not_cancelled, match_channels
from latentstem.data.line import PitchLine
from latentstem.data.render.line_synth import LineSynthesizer
from latentstem.data.render.midi import write_midi
from latentstem.pipelines.bassnet import BassNetPipeline, join_lines
from latentstem.pipelines.bassnet_control import Control
from latentstem.pipelines.output_files import write_temporary_audio

_PIECE = 1000  # steps of a line that are played at once


@dataclass(frozen=True)
class MeasuredMix:
    """A mix in a file, once read from end to end.

    Attributes:
        reader: Reader of the file.
        samples: Length in samples, at its own rate.
        gain: Factor that brings it to the reference loudness.
        level: Level of what sounds, see `latentstem.audio.active_rms`.

    Raises:
        latentstem.AudioError: The file cannot be used, see `AudioReader`.
        ValueError: It is stereo and its channels cancel.

    Example:
        >>> import tempfile, torch
        >>> from latentstem import BassNetModel, write_audio
        >>> pipe = BassNetPipeline(BassNetModel(steps=10, channels=8, blocks=2, control_blocks=1).eval())
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_audio(f"{folder}/mix.wav", 0.1 * torch.randn(1, 44100), 44100)
        ...     mix = MeasuredMix.read(f"{folder}/mix.wav")
        ...     line = join_lines(list(pipe.decode_stream(mix.spectrograms(pipe), (0.3, -1.0))))
        >>> mix.samples, line.duration
        (44100, 1.0)
    """

    reader: AudioReader
    samples: int
    gain: float
    level: float

    @classmethod
    def read(cls, path: str | os.PathLike[str], max_duration: float = MAX_DURATION) -> "MeasuredMix":
        """Read a mix of one or two channels at any rate, of at most `max_duration` seconds."""
        reader = AudioReader(path, max_duration)
        sides, mono, samples = ActiveLevelMeter(), ActiveLevelMeter(), 0
        for block in reader:
            sides.update(block[None])
            mono.update(match_channels(block, 1, str(reader.path))[None])
            samples += block.shape[1]
        if reader.channels > 1:
            check_not_cancelled(str(reader.path), sides.rms, mono.rms)
        return cls(reader, samples, float(mono.gain), sides.rms.item())

    def spectrograms(self, pipe: BassNetPipeline) -> Iterator[Tensor]:
        """Analyse it for a pipeline, piece after piece, see `BassNetPipeline.analyse_stream`."""
        mono = (match_channels(block, 1, str(self.reader.path)) for block in self.reader)
        blocks = resample_blocks(mono, self.reader.sampling_rate, pipe.sampling_rate)
        return pipe.analyse_stream((block[0] for block in blocks), self.gain)


@dataclass(frozen=True)
class LineOfFile:
    """A bass line for a mix in a file.

    Attributes:
        line: The line, whose levels are those beside the mix at the reference loudness.
        mix: The mix.
    """

    line: PitchLine
    mix: MeasuredMix


def generate_line_file(
    pipe: BassNetPipeline,
    path: str | os.PathLike[str],
    control: Control | None = None,
    max_duration: float = MAX_DURATION,
) -> LineOfFile:
    """Read a mix and generate its line, in memory that does not grow with its length but for the line itself.

    Args:
        pipe: The pipeline.
        path: File of the mix, of one or two channels at any rate.
        control: Point or path of the control; None is the origin.
        max_duration: Longest file that is read, in seconds.

    Returns:
        The line.

    Raises:
        latentstem.AudioError: The file cannot be used, see `AudioReader`.
        ValueError: It is stereo and its channels cancel, or the control is none of this net.
    """
    mix = MeasuredMix.read(path, max_duration)
    return LineOfFile(join_lines(list(pipe.decode_stream(mix.spectrograms(pipe), control))), mix)


def infer_control_file(
    pipe: BassNetPipeline,
    mix: str | os.PathLike[str],
    bass: str | os.PathLike[str],
    max_duration: float = MAX_DURATION,
) -> Tensor:
    """Infer the control under which the net would play to a mix as a recorded bass does; both are held in memory whole.

    Args:
        pipe: The pipeline.
        mix: File of the mix.
        bass: File of the bass, which begins with the mix.
        max_duration: Longest file that is read, in seconds.

    Returns:
        Mean of the control in each window, `(windows, control_dim)`.

    Raises:
        latentstem.AudioError: A file cannot be used, see `AudioReader`.
        ValueError: The two differ in length by more than a hundredth.
    """
    mixed, played = (
        resample(audio.mean(dim=0, keepdim=True), rate, pipe.sampling_rate)
        for audio, rate in (read_audio(file, max_duration) for file in (mix, bass))
    )
    if abs(mixed.shape[1] - played.shape[1]) > 0.01 * mixed.shape[1]:
        seconds = [audio.shape[1] / pipe.sampling_rate for audio in (mixed, played)]
        raise ValueError(
            f"{bass} is {seconds[1]:.2f} s long and {mix} {seconds[0]:.2f} s; expected a bass that plays along "
            "with the mix from end to end"
        )
    played = torch.nn.functional.pad(played, (0, max(mixed.shape[1] - played.shape[1], 0)))[:, : mixed.shape[1]]
    return pipe.infer_control(mixed, played, pipe.sampling_rate)[0]


def write_line_audio(
    made: LineOfFile, path: str | os.PathLike[str], bits: Bits | None = None, synthesizer: LineSynthesizer | None = None
) -> None:
    """Play a line to a file of the mix's rate and length, whole or not at all.

    Args:
        made: The line and its mix.
        path: File to write, at the level that fits the mix, scaled down as a whole where it would leave [-1, 1].
        bits: Sample format of wav and flac files, see `AudioWriter`.
        synthesizer: Synthesizer that plays; None is one with its defaults.

    Raises:
        latentstem.audio.AudioFileError: The file cannot be written.
    """
    with play_line(made, Path(path).parent, synthesizer) as played:
        write_temporary_audio(played, path, made.mix.reader.sampling_rate, bits)


@contextmanager
def play_line(made: LineOfFile, folder: Path, synthesizer: LineSynthesizer | None = None) -> Iterator[TemporaryAudio]:
    """Play a line to a temporary file, at the mix's rate and length.

    Args:
        made: The line and its mix.
        folder: Folder of the temporary file.
        synthesizer: Synthesizer that plays; None is one with its defaults.

    Yields:
        The sound at the level that fits the mix, which may exceed [-1, 1]; removed afterwards.
    """
    player = synthesizer or LineSynthesizer(SAMPLING_RATE)
    player.reset()
    sound = (torch.from_numpy(player(piece))[None] / made.mix.gain for piece in _pieces(made.line))
    with TemporaryAudio(folder, 1) as played:
        for block in resample_blocks(sound, player.sampling_rate, made.mix.reader.sampling_rate, made.mix.samples):
            played.append(block)
        yield played


def write_line_midi(line: PitchLine, path: str | os.PathLike[str], tempo: float = 120.0) -> None:
    """Write the notes of a line, with their bends, to a MIDI file, whole or not at all.

    Args:
        line: The line.
        path: File to write.
        tempo: Tempo written to the file, in beats a minute; the times are right at any.

    Raises:
        OSError: The file cannot be written.
    """
    notes = line.notes()
    bends = [bend for own in notes for bend in (own.bends or ((own.note.start, 0.0),))]
    write_midi([own.note for own in notes], path, tempo, bends=bends)


def _pieces(line: PitchLine) -> Iterator[PitchLine]:
    for first in range(0, len(line), _PIECE):
        yield PitchLine(*(getattr(line, name)[first : first + _PIECE] for name in ("frequency", "level", "onset")))
