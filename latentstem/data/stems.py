"""Stem folders and random crops of them, for users' own stems and for the band corpus alike.

Layout, that of MUSDB18-HQ: `<root>/<track>/<stem>.wav|flac`; a stem called `mixture` is left aside, since it holds
the target. A crop pairs the target stem with a random sub-mix of the others at random gains from U(0.5, 1), the
augmentation of BassNet (Grachten, Lattner and Deruty 2020, section 4.3); files are never decoded whole for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr
import torch
from torch import Tensor
from torch.utils.data import Dataset

from latentstem.audio.level import BLOCK, RANGE_DB, REFERENCE_RMS
from latentstem.data.dice import Dice

SAMPLING_RATE = 44100
SUFFIXES = (".wav", ".flac")
MIXTURE = "mixture"
RESAMPLING_MARGIN = 1024
"""Samples read beyond both ends of a crop that is resampled, so that the filter never sees the cut."""


class StemError(ValueError):
    """A folder of stems that cannot be used; one line that says what was found and what to do."""


@dataclass(frozen=True)
class StemTrack:
    """One track: its stems' files, all at one sampling rate.

    Attributes:
        name: name of the track's folder.
        files: stem name to file, without `mixture`.
        sampling_rate: of the files, in Hz.
        samples: length of the longest stem at 44.1 kHz.
    """

    name: str
    files: dict[str, Path]
    sampling_rate: int
    samples: int

    def read(self, stem: str, start: int = 0, samples: int | None = None) -> Tensor:
        """Read a part of one stem as mono at 44.1 kHz.

        Args:
            stem: name of the stem.
            start: first sample, counted at 44.1 kHz.
            samples: how many samples; by default up to the end of the track.

        Returns:
            float32 of shape `(samples,)`: the mean of the channels, with zeros where the file has ended.
        """
        samples = self.samples - start if samples is None else samples
        if self.sampling_rate == SAMPLING_RATE:
            return torch.from_numpy(_read(self.files[stem], start, samples))
        ratio = self.sampling_rate / SAMPLING_RATE
        # The part starts on a sample of the file; what lies between it and `start` is cut after resampling.
        first = max(0, int(start * ratio) - RESAMPLING_MARGIN)
        count = int((start + samples) * ratio) + RESAMPLING_MARGIN - first
        audio = soxr.resample(_read(self.files[stem], first, count), self.sampling_rate, SAMPLING_RATE)
        skip = round(start - first / ratio)
        audio = audio[skip : skip + samples]
        return torch.from_numpy(np.pad(audio, (0, samples - len(audio))))


class StemFolder:
    """The usable tracks under a folder.

    Args:
        root: folder of track folders. For MUSDB18-HQ that is its `train` or `test`.
        target: name of the stem to learn.

    Attributes:
        tracks: every track with the target and at least one other stem, in order of their names.
        skipped: names of the folders that lack one or the other.

    Raises:
        StemError: if the folder is missing, holds no track with the target and another stem, or a file is not
            audio, is empty or differs from the other stems of its track in sampling rate.

    Example:
        >>> import tempfile
        >>> root = Path(tempfile.mkdtemp())
        >>> (root / "song").mkdir()
        >>> for stem in ("bass", "drums"):
        ...     soundfile.write(root / "song" / f"{stem}.wav", np.ones(44100) / 4, 44100)
        >>> folder = StemFolder(root)
        >>> folder.tracks[0].name, folder.tracks[0].samples
        ('song', 44100)
    """

    def __init__(self, root: str | Path, target: str = "bass"):
        self.root, self.target = Path(root), target
        if not self.root.is_dir():
            raise StemError(f"{self.root} is not a folder, expected one with a folder of stems for each track")
        tracks, skipped, targets = [], [], 0
        for folder in sorted(path for path in self.root.iterdir() if path.is_dir() and path.name[0] != "."):
            files = {path.stem: path for path in sorted(folder.iterdir()) if path.suffix.lower() in SUFFIXES}
            files.pop(MIXTURE, None)
            targets += target in files
            if target in files and len(files) > 1:
                tracks.append(_track(folder.name, files))
            else:
                skipped.append(folder.name)
        if not tracks:
            raise StemError(_nothing_found(self.root, target, skipped, targets))
        self.tracks: tuple[StemTrack, ...] = tuple(tracks)
        self.skipped: tuple[str, ...] = tuple(skipped)


class StemCrops(Dataset[tuple[Tensor, Tensor]]):
    """Random crops `(mix, stem)`; each is a function of `(seed, index)` alone.

    Mix and stem are scaled so that each would have the reference loudness over its whole track: a quiet passage
    stays quiet. A track's levels are measured when it is first drawn, the only time its files are decoded whole.

    Args:
        folder: where the tracks are.
        crop_samples: length of a crop at 44.1 kHz; a shorter track is continued with silence.
        seed: of all draws.
        length: number of crops, `len()` of the data set.
        full_mix_share: share of the crops whose mix holds all other stems; the rest hold one to all of them.
        gain_range: a stem's gain in the mix is drawn from this range.

    Example:
        >>> import tempfile
        >>> root = Path(tempfile.mkdtemp())
        >>> (root / "song").mkdir()
        >>> for stem in ("bass", "drums"):
        ...     soundfile.write(root / "song" / f"{stem}.wav", np.ones(44100) / 4, 44100)
        >>> mix, stem = StemCrops(StemFolder(root), 8192, seed=0)[0]
        >>> mix.shape, float(stem.amax())
        (torch.Size([1, 8192]), 0.1...)
    """

    def __init__(
        self,
        folder: StemFolder,
        crop_samples: int,
        seed: int = 0,
        length: int = 1 << 24,
        full_mix_share: float = 0.5,
        gain_range: tuple[float, float] = (0.5, 1.0),
    ):
        if crop_samples < 1:
            raise ValueError(f"crop_samples is {crop_samples}, expected at least 1")
        self.folder, self.crop_samples, self.seed, self.length = folder, crop_samples, seed, length
        self.full_mix_share, self.gain_range = full_mix_share, gain_range
        # Every second of audio is as likely as any other, so long tracks are drawn more often.
        self._ends = np.cumsum([track.samples for track in folder.tracks])
        self._powers: dict[str, dict[str, np.ndarray]] = {}

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        if not 0 <= index < self.length:
            raise IndexError(f"crop {index} of {self.length}")
        dice = Dice((self.seed, index))
        track = self.folder.tracks[int(np.searchsorted(self._ends, dice.below(int(self._ends[-1])), side="right"))]
        start = dice.below(max(track.samples - self.crop_samples, 0) + 1)
        gains = self._draw_gains(dice, [name for name in track.files if name != self.folder.target])
        powers = self._block_powers(track)

        stem = track.read(self.folder.target, start, self.crop_samples)
        mix = torch.zeros(self.crop_samples)
        for name, gain in gains.items():
            mix += gain * track.read(name, start, self.crop_samples)
        # Stems are nearly uncorrelated: the power of their sum is the sum of their powers.
        mix_powers = sum(gain**2 * powers[name] for name, gain in gains.items())
        return mix[None] * _to_reference(mix_powers), stem[None] * _to_reference(powers[self.folder.target])

    def _draw_gains(self, dice: Dice, names: Sequence[str]) -> dict[str, float]:
        """Choose the stems of the mix and their gains."""
        count = len(names) if dice.chance(self.full_mix_share) else 1 + dice.below(len(names))
        left, chosen = list(names), []
        for _ in range(count):
            chosen.append(left.pop(dice.below(len(left))))
        return {name: dice.uniform(*self.gain_range) for name in chosen}

    def _block_powers(self, track: StemTrack) -> dict[str, np.ndarray]:
        """Mean square of every block of every stem, all stems continued to one length."""
        if track.name not in self._powers:
            block = round(BLOCK * track.sampling_rate / SAMPLING_RATE)
            powers = {name: _powers(path, block) for name, path in track.files.items()}
            longest = max(map(len, powers.values()))
            self._powers[track.name] = {
                name: np.pad(values, (0, longest - len(values))) for name, values in powers.items()
            }
        return self._powers[track.name]


def _track(name: str, files: dict[str, Path]) -> StemTrack:
    infos = {}
    for path in files.values():
        try:
            infos[path] = soundfile.info(path)
        except soundfile.SoundFileError as error:
            raise StemError(f"{path} is not a readable audio file: replace or remove it") from error
    rates = {info.samplerate for info in infos.values()}
    if len(rates) > 1:
        found = ", ".join(f"{path.name} {info.samplerate} Hz" for path, info in infos.items())
        raise StemError(f"the stems of track {name} differ in sampling rate ({found}): bring them to one rate")
    rate = rates.pop()
    samples = max(info.frames for info in infos.values())
    if samples == 0:
        raise StemError(f"the stems of track {name} are empty: replace or remove the track")
    return StemTrack(name, files, rate, -(-samples * SAMPLING_RATE // rate))


def _nothing_found(root: Path, target: str, skipped: Sequence[str], targets: int) -> str:
    if not skipped:
        return f"no tracks in {root}, expected <track>/<stem>.wav or .flac inside it"
    if targets:
        return f"no track in {root} has a stem beside {target!r}, expected at least one to make the mix of"
    return f"none of the {len(skipped)} folders in {root} holds {target}.wav or {target}.flac: name the target stem so"


def _read(path: Path, start: int, samples: int) -> np.ndarray:
    """Samples `[start, start + samples)` of a file as the mean of its channels, zeros after its end."""
    with soundfile.SoundFile(path) as file:
        file.seek(min(start, file.frames))
        audio = file.read(min(samples, max(file.frames - start, 0)), dtype="float32", always_2d=True)
    mono = audio[:, 0] if audio.shape[1] == 1 else audio.mean(axis=1)
    return np.pad(mono, (0, samples - len(mono)))


def _powers(path: Path, block: int) -> np.ndarray:
    """Mean square of the mono mean of a file over its whole blocks; a file shorter than a block is one."""
    size = min(block, soundfile.info(path).frames)
    powers = [np.zeros(0 if size else 1, dtype=np.float32)]
    for audio in soundfile.blocks(path, blocksize=64 * max(size, 1), dtype="float32", always_2d=True):
        if not np.isfinite(audio).all():
            raise StemError(f"{path} holds NaN or Inf: replace it")
        mono = audio.mean(axis=1)
        powers.append(np.square(mono[: len(mono) // size * size]).reshape(-1, size).mean(axis=1))
    return np.concatenate(powers)


def _to_reference(powers: np.ndarray | float) -> float:
    """Gain from a track's level, as `latentstem.audio.level.sounding_rms` measures it, to the reference."""
    values = np.asarray(powers, dtype=np.float64)
    sounding = (values > 0) & (values >= values.max() * 10 ** (-RANGE_DB / 10))
    return float(REFERENCE_RMS / np.sqrt(values[sounding].mean())) if sounding.any() else 0.0
