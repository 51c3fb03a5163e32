"""Check of a folder of stems; every file is read once by blocks, and twice where a mixture is not the sum of its stems.

Misaligned stems are found by correlation: with residual `r`, the mixture minus the sum of its stems, a shift of a stem
`s` by `d` samples leaves the energy `|r|^2 + 2 <r, s> - 2 <r, s_d> + 2 |s|^2 - 2 <s, s_d>`, which two correlations give
for every `d` at once. A stem whose shift lowers it markedly is misaligned.
"""

from collections import Counter
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile
from rich.console import Console
from rich.progress import Progress

from latentstem.audio.level import BLOCK
from latentstem.audio.rate import SAMPLING_RATE
from latentstem.data.stems.layouts import StemError, TrackFiles, track_files
from latentstem.data.stems.statistics import REACH, Correlator, FileMeter, LevelMeter, read_together
from latentstem.data.stems.track import SILENCE

LENGTH_TOLERANCE = 0.05
"""Seconds by which the files of a track may differ in length."""
SILENT_SHARE = 0.5
"""Fraction of a track without the target from which on it is reported."""
EQUAL_DB = -60.0
"""Level of the difference of two signals, relative to the quieter one, up to which they count as equal."""
SUSPECT_DB, FOREIGN_DB = -40.0, -20.0
"""Residual of the mixture from which on its cause is looked for, and from which on it is reported without a cause."""
EXPLAINED_DB, MOVED_DB = -6.0, -1.5
"""Fall of the residual by which a shift of all stems, or of one of several, counts as its cause."""


@dataclass(frozen=True)
class Problem:
    """One finding.

    Attributes:
        track: Name of the track's folder; empty for a finding about the whole data set.
        place: Name of the stem or file.
        finding: Description of the problem.
        unusable: True if the track must not be trained on; False for a warning.
    """

    track: str
    place: str
    finding: str
    unusable: bool


@dataclass(frozen=True)
class FolderReport:
    """Findings of a check, with figures of the whole folder.

    Attributes:
        target: Name of the target stem.
        problems: Findings, in order of the tracks.
        tracks: Number of tracks.
        usable: Number of tracks without an unusable finding.
        seconds: Duration of all tracks together, in seconds.
        sounding: Fraction of the duration in which the target sounds.
        rates: Sampling rates in Hz to the number of tracks that have them.
    """

    target: str
    problems: tuple[Problem, ...]
    tracks: int
    usable: int
    seconds: float
    sounding: float
    rates: dict[int, int]


class _Header(NamedTuple):
    rate: int
    frames: int


@dataclass
class _Track:
    """A track during the check."""

    folder: Path
    target: str
    files: TrackFiles
    problems: list[Problem] = field(default_factory=list)
    headers: dict[Path, _Header] = field(default_factory=dict)
    sounding: float = 0.0

    def report(self, place: str, finding: str, unusable: bool = False) -> None:
        self.problems.append(Problem(self.folder.name, place, finding, unusable))

    @property
    def rates(self) -> set[int]:
        return {header.rate for path, header in self.headers.items() if path != self.files.mixture}

    @property
    def seconds(self) -> float:
        return max((header.frames / header.rate for header in self.headers.values()), default=0.0)

    def place(self, path: Path) -> str:
        return str(path.relative_to(self.folder))


def check_folder(root: str | Path, target: str = "bass") -> FolderReport:
    """Check every track under a folder.

    Args:
        root: Folder of tracks in one of the layouts of `latentstem.data.stems.layouts`.
        target: Name of the stem to generate.

    Returns:
        The findings and figures.

    Raises:
        StemError: If there is no such folder, or no track in it.

    Example:
        >>> import tempfile
        >>> root = Path(tempfile.mkdtemp())
        >>> (root / "song").mkdir()
        >>> for stem, level in (("bass", 0.5), ("drums", 0.0)):
        ...     soundfile.write(root / "song" / f"{stem}.wav", np.full(44100, level), 44100)
        >>> for problem in check_folder(root).problems:
        ...     print(problem.track, problem.place, problem.finding)
        song drums is silent from end to end
    """
    root = Path(root)
    if not root.is_dir():
        raise StemError(f"{root} is not a folder, expected one with a folder of stems for each track")
    folders = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    if not folders:
        raise StemError(f"no tracks in {root}, expected <track>/<stem>.wav or .flac inside it")
    tracks = [_read_headers(folder, target) for folder in folders]
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("reading", total=sum(track.seconds for track in tracks))
        for track in tracks:
            if track.headers:
                _read_audio(track)
            progress.advance(bar, track.seconds)
    problems = [problem for track in tracks for problem in track.problems]
    rates = Counter(rate for track in tracks for rate in track.rates)
    if len(rates) > 1:
        found = ", ".join(f"{rate} Hz in {count}" for rate, count in sorted(rates.items()))
        problems.append(
            Problem("", "", f"tracks differ in sampling rate ({found}): all are resampled to that of the net", False)
        )
    seconds = sum(track.seconds for track in tracks)
    return FolderReport(
        target=target,
        problems=tuple(problems),
        tracks=len(tracks),
        usable=sum(not any(problem.unusable for problem in track.problems) for track in tracks),
        seconds=seconds,
        sounding=sum(track.sounding * track.seconds for track in tracks) / max(seconds, 1e-9),
        rates=dict(rates),
    )


def _read_headers(folder: Path, target: str) -> _Track:
    """Check what the headers show."""
    try:
        track = _Track(folder, target, track_files(folder))
    except StemError as error:
        track = _Track(folder, target, TrackFiles({}, None))
        track.report("", str(error), unusable=True)
        return track
    stems, mixture = track.files.stems, track.files.mixture
    if target not in stems:
        found = ", ".join(stems) or "no audio"
        finding = f"target is missing (found: {found}): name its file {target}.wav or {target}.flac"
        track.report(target, finding, unusable=True)
    elif len(stems) == 1:
        track.report(target, "has no other stem beside it to make a mix of", unusable=True)
    for path in [*(path for paths in stems.values() for path in paths), *([mixture] if mixture else [])]:
        in_use = path != mixture
        try:
            info = soundfile.info(path)
        except soundfile.SoundFileError:
            track.report(track.place(path), "is not a readable audio file", unusable=in_use)
            continue
        if info.channels > 2:
            finding = f"has {info.channels} channels: mix it down to one or two"
            track.report(track.place(path), finding, unusable=in_use)
        if info.frames:
            track.headers[path] = _Header(info.samplerate, info.frames)
        else:
            track.report(track.place(path), "is empty", unusable=in_use)
    _compare_headers(track)
    return track


def _compare_headers(track: _Track) -> None:
    rates = {track.place(path): header.rate for path, header in track.headers.items()}
    if len(set(rates.values())) > 1:
        found = ", ".join(f"{place} {rate} Hz" for place, rate in rates.items())
        finding = f"files differ in sampling rate ({found}): convert them to one"
        track.report("", finding, unusable=len(track.rates) > 1)
    lengths = {track.place(path): header.frames / header.rate for path, header in track.headers.items()}
    if lengths and max(lengths.values()) - min(lengths.values()) > LENGTH_TOLERANCE:
        short, long = min(lengths, key=lambda place: lengths[place]), max(lengths, key=lambda place: lengths[place])
        found = f"{short} {lengths[short]:.2f} s, {long} {lengths[long]:.2f} s"
        track.report("", f"files differ in length ({found}): the shorter are continued with silence")


def _read_audio(track: _Track) -> None:
    """Check what the samples show."""
    names = [name for name, paths in track.files.stems.items() if any(path in track.headers for path in paths)]
    mixture = track.files.mixture if track.files.mixture in track.headers else None
    meters = _open(track, names, mixture)
    rate = min(header.rate for header in track.headers.values())
    levels = [LevelMeter(round(BLOCK * rate / SAMPLING_RATE)) for _ in meters]
    products = np.zeros((len(meters), len(meters)))
    for rows in read_together(meters):
        products += rows @ rows.T
        for level, row in zip(levels, rows, strict=True):
            level.add(row)
    for meter in (meter for group in meters for meter in group):
        _report_file(track, meter)
    silent = [level.peak <= SILENCE for level in levels]
    for name, is_silent in zip(names, silent, strict=False):
        if is_silent:
            track.report(name, "is silent from end to end", unusable=name == track.target)
    if track.target in names:
        track.sounding = levels[names.index(track.target)].sounding_share
        if 1 - SILENT_SHARE > track.sounding > 0:
            track.report(track.target, f"is silent for {1 - track.sounding:.0%} of the time")
    if len({header.rate for header in track.headers.values()}) == 1:
        same = _report_equal(track, names, products, silent, with_mixture=mixture is not None)
        if mixture is not None and not same and not silent[-1] and not all(silent[:-1]):
            _report_mixture(track, names, products, mixture)


def _open(track: _Track, names: list[str], mixture: Path | None) -> list[list[FileMeter]]:
    """Open meters of the files of each stem, and of the mixture last."""
    groups = [[path for path in track.files.stems[name] if path in track.headers] for name in names]
    return [[FileMeter(path) for path in group] for group in [*groups, *([[mixture]] if mixture else [])]]


def _report_file(track: _Track, meter: FileMeter) -> None:
    path, rate = Path(meter.file.name), meter.file.samplerate
    place, in_use = track.place(path), path != track.files.mixture
    if meter.damaged:
        track.report(place, "is damaged: it cannot be decoded to its end", unusable=in_use)
    if meter.first_not_finite is not None:
        track.report(place, f"holds NaN or Inf, first at {meter.first_not_finite / rate:.2f} s", unusable=in_use)
    if meter.first_clipped is not None:
        runs = f"{meter.clipped} run{'s' if meter.clipped > 1 else ''} of samples at full scale"
        track.report(place, f"clips: {runs}, first at {meter.first_clipped / rate:.2f} s")


def _report_equal(
    track: _Track, names: list[str], products: np.ndarray, silent: list[bool], with_mixture: bool
) -> bool:
    """Report stems that equal one another or the mixture; return whether the mixture equals one."""
    same_as_mixture = False
    for i, j in combinations(range(len(products)), 2):
        if silent[i] or silent[j]:
            continue
        difference = products[i, i] + products[j, j] - 2 * products[i, j]
        if difference > 10 ** (EQUAL_DB / 10) * min(products[i, i], products[j, j]):
            continue
        if not (with_mixture and j == len(names)):
            track.report(names[j], f"is the same audio as {names[i]}", unusable=track.target in (names[i], names[j]))
        else:
            same_as_mixture = True
            # Where no other stem sounds, the mixture is that stem.
            if silent[: len(names)].count(False) > 1:
                track.report(names[i], "is the same audio as the mixture", unusable=True)
    return same_as_mixture


def _report_mixture(track: _Track, names: list[str], products: np.ndarray, mixture: Path) -> None:
    """Report a mixture that is not the sum of the stems, and the stem that is misaligned if one is."""
    stem_sum, total = products[:-1, :-1].sum(), products[-1, -1]
    residual = 1 - products[:-1, -1].sum() ** 2 / (stem_sum * total)
    if _decibels(residual) <= SUSPECT_DB:
        return
    rate, count = track.headers[mixture].rate, len(names)
    correlator = Correlator(1 + 2 * count)
    for rows in read_together(_open(track, names, mixture)):
        stems, whole = rows[:-1], rows[-1:]
        left = np.repeat(whole - stems.sum(0), count, axis=0)
        correlator.add(np.concatenate([stems.sum(0)[None], stems, stems]), np.concatenate([whole, left, stems]))
    # Shift all stems together, at the gain that fits best.
    residuals = 1 - np.maximum(correlator.values[0], 0) ** 2 / (stem_sum * total)
    best = int(residuals.argmin())
    if best != REACH and _decibels(residuals[best] / residual) <= EXPLAINED_DB:
        finding = f"the mixture is {_format_lag(best, rate)} than its stems (residual {_decibels(residual):.0f} dB"
        track.report(mixture.name, f"{finding}, {_decibels(residuals[best]):.0f} dB when moved)")
        return
    energy = stem_sum + total - 2 * products[:-1, -1].sum()
    moved = []
    for row, name in enumerate(names):
        left, own = correlator.values[1 + row], correlator.values[1 + count + row]
        residuals = (energy + 2 * left[REACH] - 2 * left + 2 * own[REACH] - 2 * own) / energy
        best = int(residuals.argmin())
        if best != REACH and _decibels(residuals[best]) <= MOVED_DB:
            moved.append((float(residuals[best]), name, best))
    for change, name, best in sorted(moved):
        # The stem fits after a shift by `best`: it is that much too early.
        finding = f"is misaligned, {_format_lag(2 * REACH - best, rate)} than in the mixture"
        finding = f"{finding} (moving it lowers the residual by {-_decibels(change):.0f} dB"
        if len(moved) == 1 and _decibels(change) > EXPLAINED_DB:
            finding += f": perhaps it is further off, more than {1000 * REACH / rate:.0f} ms are not looked for"
        track.report(name, f"{finding})", unusable=True)
    if not moved and _decibels(residual) > FOREIGN_DB:
        track.report(mixture.name, f"is not the sum of the stems: residual {_decibels(residual):.0f} dB")


def _format_lag(index: int, rate: int) -> str:
    lag = index - REACH
    return f"{abs(lag)} samples ({1000 * abs(lag) / rate:.1f} ms) {'later' if lag > 0 else 'earlier'}"


def _decibels(power: float) -> float:
    return float(10 * np.log10(max(power, 1e-12)))
