"""Which files come of which mix: `-o` is a file for one mix, a folder for several."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from latentstem.audio.formats import SUFFIXES, Bits, check_writable, storage
from latentstem.cli.errors import UsageError


@dataclass(frozen=True)
class StemFiles:
    """The stem and what comes with it, as far as it is asked for: bass.wav, bass.mid, bass-with-mix.wav, bass.png."""

    stem: Path
    midi: Path | None
    remix: Path | None
    picture: Path | None

    @classmethod
    def named(cls, stem: Path, midi: bool, preview: bool) -> "StemFiles":
        """The files beside a stem, named after it."""
        return cls(
            stem,
            stem.with_suffix(".mid") if midi else None,
            stem.with_name(f"{stem.stem}-with-mix{stem.suffix}") if preview else None,
            stem.with_suffix(".png") if preview else None,
        )

    @property
    def paths(self) -> list[Path]:
        """All of them."""
        return [path for path in (self.stem, self.midi, self.remix, self.picture) if path is not None]


@dataclass(frozen=True)
class Job:
    """A mix, and the files of each stem that is to be made for it."""

    mix: Path
    stems: list[StemFiles]

    @property
    def paths(self) -> list[Path]:
        """All files that are to be made."""
        return [path for files in self.stems for path in files.paths]

    @property
    def finished(self) -> bool:
        """Whether they are all there: each is moved to its place when it is whole."""
        return all(path.exists() for path in self.paths)


def is_batch(mixes: Sequence[Path], output: Path | None) -> bool:
    """Whether the stems go to a folder, under the names of their mixes."""
    return len(mixes) > 1 or mixes[0].is_dir() or (output is not None and output.is_dir())


def plan_jobs(
    mixes: Sequence[Path], output: Path | None, kind: str | None, count: int, midi: bool, preview: bool, target: str
) -> list[Job]:
    """Give every file that is to be made its name.

    Args:
        mixes: files, and folders of which the audio files count.
        output: as -o names it; None is a file named after the target, or such a folder for several mixes.
        kind: of file: wav, flac, ogg or mp3; None is what the output says, or wav.
        count: stems a mix.
        midi: whether a MIDI file is to come with each.
        preview: whether a remix and a picture are.
        target: what the weights make, such as bass.

    Raises:
        UsageError: a folder holds no audio, or output and kind do not go with the mixes.
    """
    if not is_batch(mixes, output):
        stem = output or Path(f"{target}.{kind or 'wav'}")
        if kind is not None and stem.suffix.lower() != f".{kind}":
            raise UsageError(f"-o names {stem} and --format {kind}; leave one of them out")
        return [Job(mixes[0], [StemFiles.named(path, midi, preview) for path in _numbered(stem, count)])]
    folder = output or Path(target)
    if not folder.is_dir() and (folder.exists() or folder.suffix.lower() in SUFFIXES):
        raise UsageError(f"-o names the file {folder}; expected a folder, for the stems of several mixes")
    jobs = []
    for mix in dict.fromkeys(path for source in mixes for path in _audio_files(source)):
        stems = _numbered(folder / f"{mix.stem}.{kind or 'wav'}", count)
        jobs.append(Job(mix, [StemFiles.named(path, midi, preview) for path in stems]))
    return jobs


def check_outputs(jobs: Sequence[Job], inputs: Iterable[Path], bits: Bits | None, batch: bool) -> None:
    """Refuse now what could not be written later, and what would overwrite an input or another output.

    Args:
        jobs: what is to be written.
        inputs: what is read besides the mixes.
        bits: how samples are to be stored.
        batch: whether the folder may still have to be made.

    Raises:
        UsageError: an output is an input too, or that of another mix.
        latentstem.audio.AudioFileError: it cannot be written, or not with these bits.
    """
    sources = {path.resolve() for path in (*inputs, *(job.mix for job in jobs))}
    makers: dict[Path, Path] = {}
    for job in jobs:
        for files in job.stems:
            if batch and not files.stem.parent.exists():
                storage(files.stem, bits)
            else:
                check_writable(files.stem, bits)
        for path in job.paths:
            if path.resolve() in sources:
                raise UsageError(f"{path}: is an input and would be overwritten; name another output with -o")
            other = makers.setdefault(path.resolve(), job.mix)
            if other is not job.mix:
                raise UsageError(f"{path}: would be written for {other} and for {job.mix}; run them apart")


def _audio_files(source: Path) -> list[Path]:
    if not source.is_dir():
        return [source]
    # macOS puts a file ._NAME, which is no audio, beside each on a foreign disk.
    found = (path for path in source.iterdir() if path.suffix.lower() in SUFFIXES and not path.name.startswith("."))
    files = sorted(path for path in found if path.is_file())
    if not files:
        raise UsageError(f"{source}: holds no audio files; expected wav, flac, ogg or mp3 files in it")
    return files


def _numbered(path: Path, number: int) -> list[Path]:
    """The path itself for one file, OUT-1, OUT-2 and so on for more."""
    if number == 1:
        return [path]
    return [path.with_name(f"{path.stem}-{k}{path.suffix}") for k in range(1, number + 1)]
