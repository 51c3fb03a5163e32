"""Stem folders and random crops of them, for users' own stems and for the band corpus alike.

Layouts: see `latentstem.data.layouts`. A crop pairs the target stem with a random sub-mix of the others at random gains
from U(0.5, 1), the augmentation of BassNet (Grachten, Lattner and Deruty 2020, section 4.3); files are never decoded
whole for it.
"""

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from latentstem.audio.level import BLOCK, RANGE_DB, REFERENCE_RMS
from latentstem.audio.rate import SAMPLING_RATE
from latentstem.data.layouts import StemError, track_files
from latentstem.data.rng import SeededRandom
from latentstem.data.track import StemTrack, block_powers, is_silent

REDRAWS = 8
"""How often a crop without the target is drawn again."""


class StemFolder:
    """The usable tracks under a folder.

    Args:
        root: folder of track folders. For MUSDB18-HQ and Slakh2100 that is their `train` or `test`.
        target: name of the stem to learn.
        mix_stems: names of the stems that the mix may hold; all but the target by default.
        channels: of the net that the stems are for, 1 (the mean of the files' channels) or 2.
        sampling_rate: of the net that the stems are for, in Hz; the files may have any.

    Attributes:
        tracks: every track with the target and at least one other stem, in order of their names.
        skipped: names of the folders that lack one or the other.
        silent: names of the folders left out because their target is silent from end to end, for one channel also where
            the two of its files cancel in their mean; a warning names them.

    Raises:
        StemError: if the folder is missing, holds no track with a sounding target and another stem, or a file is not
            audio, is empty, has more than two channels or differs from the other stems of its track in sampling rate.
        ValueError: if `channels` is not 1 or 2.

    Example:
        >>> import soundfile, tempfile
        >>> root = Path(tempfile.mkdtemp())
        >>> (root / "song").mkdir()
        >>> for stem in ("bass", "drums"):
        ...     soundfile.write(root / "song" / f"{stem}.wav", np.ones(44100) / 4, 44100)
        >>> folder = StemFolder(root)
        >>> folder.tracks[0].name, folder.tracks[0].read("bass", channels=2, sampling_rate=16000).shape
        ('song', torch.Size([2, 16000]))
    """

    def __init__(
        self,
        root: str | Path,
        target: str = "bass",
        mix_stems: Sequence[str] | None = None,
        channels: int = 1,
        sampling_rate: int = SAMPLING_RATE,
    ):
        if channels not in (1, 2):
            raise ValueError(f"channels is {channels}, expected 1 (mono) or 2 (stereo)")
        self.root, self.target = Path(root), target
        self.channels, self.sampling_rate = channels, sampling_rate
        if not self.root.is_dir():
            raise StemError(f"{self.root} is not a folder, expected one with a folder of stems for each track")
        if mix_stems is not None and (target in mix_stems or not mix_stems):
            raise StemError(f"mix_stems is {tuple(mix_stems)}, expected at least one name and not {target!r}")
        tracks, skipped, silent, found = [], [], [], set[str]()
        for folder in sorted(path for path in self.root.iterdir() if path.is_dir() and path.name[0] != "."):
            files = track_files(folder).stems
            found.update(files)
            wanted = files if mix_stems is None else {target, *mix_stems}
            files = {name: paths for name, paths in files.items() if name in wanted}
            if target not in files or len(files) < 2:
                skipped.append(folder.name)
                continue
            track = StemTrack.of(folder.name, files)
            (silent if is_silent(files[target], channels) else tracks).append(track)
        self.tracks: tuple[StemTrack, ...] = tuple(tracks)
        self.skipped: tuple[str, ...] = tuple(skipped)
        self.silent: tuple[str, ...] = tuple(track.name for track in silent)
        names = [_named(track, target) for track in silent]
        if not tracks:
            raise StemError(self._nothing_found(found, mix_stems, names))
        if silent:
            warnings.warn(f"{self.root}: left out, for their {target} is silent: {', '.join(names)}", stacklevel=2)

    def _nothing_found(self, found: set[str], mix_stems: Sequence[str] | None, silent: Sequence[str]) -> str:
        if not self.skipped and not self.silent:
            return f"no tracks in {self.root}, expected <track>/<stem>.wav or .flac inside it"
        if self.target not in found:
            return (
                f"none of the {len(self.skipped)} folders in {self.root} holds {self.target}.wav or {self.target}.flac "
                f"(found: {', '.join(sorted(found)) or 'no audio'}): name the target stem so, or another target"
            )
        if self.silent:
            return f"{self.target} is silent in every track of {self.root} ({', '.join(silent)}): choose another target"
        company = "" if mix_stems is None else f" among {', '.join(mix_stems)}"
        return (
            f"no track in {self.root} has a stem beside {self.target!r}{company}, expected at least one to make the "
            "mix of"
        )


class StemCrops(Dataset[tuple[Tensor, Tensor]]):
    """Random crops `(mix, stem)`; each is a function of `(seed, index)` alone.

    Both have the folder's channels and sampling rate. Each is scaled so that it would have the reference loudness over
    its whole track: a quiet passage stays quiet. A track's levels are measured when it is first drawn, the only time
    its files are decoded whole.
    A crop in which the target does not sound (no block of it within 40 dB of the track's loudest) is drawn again, up to
    eight times, but for a share of the crops: rests are music too.

    Args:
        folder: where the tracks are.
        crop_samples: length of a crop at the folder's sampling rate; a shorter track is continued with silence.
        seed: of all draws.
        length: number of crops, `len()` of the data set.
        full_mix_share: share of the crops whose mix holds all other stems; the rest hold one to all of them.
        gain_range: a stem's gain in the mix is drawn from this range.
        rest_share: share of the crops that stay as first drawn, whether the target sounds in them or not.

    Example:
        >>> import soundfile, tempfile
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
        rest_share: float = 0.1,
    ):
        if crop_samples < 1:
            raise ValueError(f"crop_samples is {crop_samples}, expected at least 1")
        self.folder, self.crop_samples, self.seed, self.length = folder, crop_samples, seed, length
        self.full_mix_share, self.gain_range, self.rest_share = full_mix_share, gain_range, rest_share
        # Every second of audio is as likely as any other, so long tracks are drawn more often.
        self._ends = np.cumsum([track.length(folder.sampling_rate) for track in folder.tracks])
        self._powers: dict[str, dict[str, np.ndarray]] = {}

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        if not 0 <= index < self.length:
            raise IndexError(f"crop {index} of {self.length}")
        rng = SeededRandom(self.seed).child(f"crop {index}")
        track, start = self._draw_place(rng.child("place"))
        gains = self._draw_gains(rng.child("mix"), [name for name in track.files if name != self.folder.target])
        powers = self._block_powers(track)

        crop = (start, self.crop_samples, self.folder.channels, self.folder.sampling_rate)
        stem = track.read(self.folder.target, *crop)
        mix = torch.zeros_like(stem)
        for name, gain in gains.items():
            mix += gain * track.read(name, *crop)
        # Stems are nearly uncorrelated: the power of their sum is the sum of their powers.
        mix_powers = sum(gain**2 * powers[name] for name, gain in gains.items())
        return mix * _to_reference(mix_powers), stem * _to_reference(powers[self.folder.target])

    def _draw_place(self, rng: SeededRandom) -> tuple[StemTrack, int]:
        """Choose a track and the first sample of the crop."""
        redraws = 0 if rng.bernoulli(self.rest_share) else REDRAWS
        while True:
            mark = rng.integer(int(self._ends[-1]))
            track = self.folder.tracks[int(np.searchsorted(self._ends, mark, side="right"))]
            start = rng.integer(max(track.length(self.folder.sampling_rate) - self.crop_samples, 0) + 1)
            if redraws == 0 or self._sounds(track, start):
                return track, start
            redraws -= 1

    def _sounds(self, track: StemTrack, start: int) -> bool:
        """Whether the target sounds in a block that the crop touches."""
        powers = self._block_powers(track)[self.folder.target]
        per_block = _file_block(track) * self.folder.sampling_rate / track.sampling_rate
        first, end = int(start / per_block), int(-(-(start + self.crop_samples) // per_block))
        return bool(_sounding(powers)[first:end].any())

    def _draw_gains(self, rng: SeededRandom, names: Sequence[str]) -> dict[str, float]:
        """Choose the stems of the mix and their gains."""
        count = len(names) if rng.bernoulli(self.full_mix_share) else 1 + rng.integer(len(names))
        left, chosen = list(names), []
        for _ in range(count):
            chosen.append(left.pop(rng.integer(len(left))))
        return {name: rng.uniform(*self.gain_range) for name in chosen}

    def _block_powers(self, track: StemTrack) -> dict[str, np.ndarray]:
        """Mean square of every block of every stem, all stems continued to one length."""
        if track.name not in self._powers:
            block = _file_block(track)
            powers = {name: block_powers(paths, block, self.folder.channels) for name, paths in track.files.items()}
            longest = max(map(len, powers.values()))
            self._powers[track.name] = {
                name: np.pad(values, (0, longest - len(values))) for name, values in powers.items()
            }
        return self._powers[track.name]


def _named(track: StemTrack, target: str) -> str:
    """The name of a track whose target is silent, and why if it sounds in two channels."""
    return track.name if is_silent(track.files[target], 2) else f"{track.name} (anti-phase: its channels cancel)"


def _file_block(track: StemTrack) -> int:
    """Samples of a file in a block of the loudness measure."""
    return round(BLOCK * track.sampling_rate / SAMPLING_RATE)


def _sounding(powers: np.ndarray) -> np.ndarray:
    """Which blocks sound: those that `latentstem.audio.level.sounding_rms` counts."""
    return (powers > 0) & (powers >= powers.max() * 10 ** (-RANGE_DB / 10))


def _to_reference(powers: np.ndarray | float) -> float:
    """Gain from a track's level, as `latentstem.audio.level.sounding_rms` measures it, to the reference."""
    values = np.asarray(powers, dtype=np.float64)
    sounding = _sounding(values)
    return float(REFERENCE_RMS / np.sqrt(values[sounding].mean())) if sounding.any() else 0.0
