"""Random crops of stem folders, for users' own stems and for the band corpus alike.

A crop pairs the target stem with a random sub-mix of the others at random gains from U(0.5, 1), the augmentation of
BassNet (Grachten, Lattner and Deruty 2020, section 4.3); files are never decoded whole for it.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from latentstem.audio.level import ACTIVITY_RANGE_DB, BLOCK, REFERENCE_RMS
from latentstem.audio.rate import SAMPLING_RATE
from latentstem.data.rng import SeededRandom
from latentstem.data.stems.folder import StemFolder
from latentstem.data.stems.track import StemTrack, block_powers

REDRAWS = 8
"""How often a crop without the target is drawn again."""


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


def _file_block(track: StemTrack) -> int:
    """Samples of a file in a block of the loudness measure."""
    return round(BLOCK * track.sampling_rate / SAMPLING_RATE)


def _sounding(powers: np.ndarray) -> np.ndarray:
    """Which blocks sound: those that `latentstem.audio.level.active_rms` counts."""
    return (powers > 0) & (powers >= powers.max() * 10 ** (-ACTIVITY_RANGE_DB / 10))


def _to_reference(powers: np.ndarray | float) -> float:
    """Gain from a track's level, as `latentstem.audio.level.active_rms` measures it, to the reference."""
    values = np.asarray(powers, dtype=np.float64)
    sounding = _sounding(values)
    return float(REFERENCE_RMS / np.sqrt(values[sounding].mean())) if sounding.any() else 0.0
