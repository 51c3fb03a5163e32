"""Names of the output files of each mix: `-o` is a file for one mix, a folder for several."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from latentstem.audio.formats import SUFFIXES, Bits, check_path, check_writable, storage
from latentstem.cli.errors import UsageError


@dataclass(frozen=True)
class StemFiles:
    """Files of one stem: bass.wav, and on request bass.mid, bass-with-mix.wav and bass.png.

    Attributes:
        stem: Audio of the stem.
        midi: Notes of the stem; None without them.
        remix: Mix with the stem in it; None without it.
        picture: Spectrograms of mix, stem and both; None without them.
    """

    stem: Path
    midi: Path | None
    remix: Path | None
    picture: Path | None

    @classmethod
    def named(cls, stem: Path, midi: bool, preview: bool) -> "StemFiles":
        """Name the files after the stem.

        Args:
            stem: Audio file of the stem.
            midi: Whether there is a MIDI file.
            preview: Whether there are a remix and a picture.
        """
        return cls(
            stem,
            stem.with_suffix(".mid") if midi else None,
            stem.with_name(f"{stem.stem}-with-mix{stem.suffix}") if preview else None,
            stem.with_suffix(".png") if preview else None,
        )

    @property
    def paths(self) -> list[Path]:
        """All files of the stem."""
        return [path for path in (self.stem, self.midi, self.remix, self.picture) if path is not None]


@dataclass(frozen=True)
class Job:
    """A mix and the files of its stems.

    Attributes:
        mix: File of the mix.
        stems: Files of each stem to generate.
    """

    mix: Path
    stems: list[StemFiles]

    @property
    def paths(self) -> list[Path]:
        """All files to write."""
        return [path for files in self.stems for path in files.paths]

    @property
    def finished(self) -> bool:
        """Whether all files exist; each is moved to its name when it is complete."""
        return all(path.exists() for path in self.paths)


def is_batch(mixes: Sequence[Path], output: Path | None) -> bool:
    """Return whether the stems go to a folder, under the names of their mixes."""
    return len(mixes) > 1 or mixes[0].is_dir() or (output is not None and output.is_dir())


def plan_jobs(
    mixes: Sequence[Path], output: Path | None, kind: str | None, count: int, midi: bool, preview: bool, target: str
) -> list[Job]:
    """Name every file to write.

    Args:
        mixes: Files of mixes, and folders of such files.
        output: Value of -o; None is a file named after the target, or a folder of this name for several mixes.
        kind: File format: wav, flac, ogg or mp3; None takes that of the output, or wav.
        count: Number of stems for each mix.
        midi: Whether to write a MIDI file with each stem.
        preview: Whether to write a remix and a picture with each stem.
        target: Name of the stem that the weights generate, such as bass.

    Returns:
        A job for each mix.

    Raises:
        UsageError: A folder holds no audio, or output and format do not go with the mixes.
    """
    if not is_batch(mixes, output):
        stem = output or Path(f"{target}.{kind or 'wav'}")
        if kind is not None and stem.suffix.lower() != f".{kind}":
            raise UsageError(f"-o names {stem} and --format {kind}; leave one of them out")
        return [Job(mixes[0], [StemFiles.named(path, midi, preview) for path in numbered(stem, count)])]
    folder = output or Path(target)
    if not folder.is_dir() and (folder.exists() or folder.suffix.lower() in SUFFIXES):
        raise UsageError(f"-o names the file {folder}; expected a folder, for the stems of several mixes")
    jobs = []
    for mix in dict.fromkeys(path for source in mixes for path in _audio_files(source)):
        stems = numbered(folder / f"{mix.stem}.{kind or 'wav'}", count)
        jobs.append(Job(mix, [StemFiles.named(path, midi, preview) for path in stems]))
    return jobs


def check_output(path: Path, bits: Bits | None = None) -> None:
    """Refuse an output that cannot be written; a missing folder can be made, where the one above it can be written to.

    Args:
        path: Audio file to write.
        bits: Sample format of wav and flac files.

    Raises:
        latentstem.audio.AudioFileError: The file cannot be written, or not with this sample format.
    """
    if path.parent.exists():
        check_writable(path, bits)
        return
    storage(path, bits)
    check_path(path)
    above = next(folder for folder in path.absolute().parents if folder.exists())
    check_writable(above / path.name, bits)  # whether a folder can be made there


def check_outputs(jobs: Sequence[Job], inputs: Iterable[Path], bits: Bits | None) -> None:
    """Refuse outputs that cannot be written, or that would overwrite an input or another output.

    Args:
        jobs: Mixes and the files to write for them.
        inputs: Files that are read besides the mixes.
        bits: Sample format of wav and flac files.

    Raises:
        UsageError: An output is also an input, or the output of another mix.
        latentstem.audio.AudioFileError: A file cannot be written, or not with this sample format.
    """
    sources = {path.resolve() for path in (*inputs, *(job.mix for job in jobs))}
    mix_of: dict[Path, Path] = {}
    for job in jobs:
        for files in job.stems:
            check_output(files.stem, bits)
        for path in job.paths:
            check_path(path)
            if path.resolve() in sources:
                raise UsageError(f"{path}: is an input and would be overwritten; name another output with -o")
            other = mix_of.setdefault(path.resolve(), job.mix)
            if other is not job.mix:
                raise UsageError(f"{path}: would be written for {other} and for {job.mix}; run them apart")


def numbered(path: Path, count: int) -> list[Path]:
    """Name several files after one.

    Args:
        path: The one.
        count: Number of files.

    Returns:
        The path itself for one file; OUT-1, OUT-2 and so on for more.
    """
    if count == 1:
        return [path]
    return [path.with_name(f"{path.stem}-{index}{path.suffix}") for index in range(1, count + 1)]


def _audio_files(source: Path) -> list[Path]:
    if not source.is_dir():
        return [source]
    # macOS puts a file ._NAME, which is no audio, beside each on a foreign disk.
    found = (path for path in source.iterdir() if path.suffix.lower() in SUFFIXES and not path.name.startswith("."))
    files = sorted(path for path in found if path.is_file())
    if not files:
        raise UsageError(f"{source}: holds no audio files; expected wav, flac, ogg or mp3 files in it")
    return files
