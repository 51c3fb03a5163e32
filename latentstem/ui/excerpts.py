"""A part of a mix, to be worked on before the whole."""

from pathlib import Path

from latentstem.audio.io import AudioReader
from latentstem.audio.temporary import TemporaryAudio
from latentstem.pipelines.output_files import write_temporary_audio

_LEAST_SECONDS = 1.0


def cut_file(path: Path, part: tuple[float, float | None], folder: Path, max_duration: float) -> Path:
    """Write a part of a recording to a file of its own.

    Args:
        path: File of the recording.
        part: Its first and last second, with None for the end of the recording.
        folder: Existing folder for the file.
        max_duration: Longest file that is read, in seconds.

    Returns:
        A WAV file, named after the recording and the part.

    Raises:
        ValueError: The part does not lie in the recording, or is shorter than a second.
        latentstem.AudioError: A file cannot be read or written.

    Example:
        >>> cut_file(Path("song.wav"), (12.0, 30.0), Path("/tmp"), 900.0).name  # doctest: +SKIP
        'song from 12 to 30 s.wav'
    """
    reader = AudioReader(path, max_duration)
    start, end = part[0], reader.duration if part[1] is None else min(part[1], reader.duration)
    if not (start >= 0 and end - start >= _LEAST_SECONDS):
        raise ValueError(
            f"got a part of the mix from {start:g} to {end:g} s; expected one of at least {_LEAST_SECONDS:g} s within "
            f"its {reader.duration:.1f} s"
        )
    first, last = round(start * reader.sampling_rate), round(end * reader.sampling_rate)
    file, position = folder / f"{path.stem} from {start:g} to {end:g} s.wav", 0
    with TemporaryAudio(folder, reader.channels) as audio:
        for block in reader:
            audio.append(block[:, max(0, first - position) : max(0, last - position)])
            position += block.shape[-1]
        write_temporary_audio(audio, file, reader.sampling_rate)
    return file
