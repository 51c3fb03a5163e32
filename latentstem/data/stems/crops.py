"""Random crops of folders of stems: the target, and a random sub-mix of the other stems at random gains.

The augmentation of BassNet (Grachten, Lattner and Deruty 2020, section 4.3), for users' own stems and for the band
corpus alike. No file is decoded whole for a crop.
"""

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from latentstem.audio.level import BLOCK, REFERENCE_RMS
from latentstem.audio.rate import SAMPLING_RATE
from latentstem.data.rng import SeededRandom
from latentstem.data.stems.activity import REDRAWS, active_blocks, is_active
from latentstem.data.stems.folder import StemFolder
from latentstem.data.stems.submix import SubmixSampler
from latentstem.data.stems.track import StemTrack, block_powers


class StemCrops(Dataset[tuple[Tensor, Tensor]]):
    """Random crops `(mix, stem)`, each a function of `(seed, index)` alone.

    Mix and stem have the folder's channels and sampling rate. Each is scaled by the gain that brings its whole track to
    the reference loudness: a quiet passage stays quiet. The levels of a track are measured when it is first drawn, the
    only time that its files are decoded whole. A crop in which the target does not sound (no block of it within 40 dB
    of the loudest block of the track) is drawn again, up to eight times, except for a fraction of the crops: rests
    belong to music.

    Args:
        folder: The tracks to crop.
        crop_samples: Length of a crop in samples at the folder's sampling rate; a shorter track is continued with
            silence.
        seed: Seed of all draws.
        length: Number of crops, `len()` of the data set.
        full_mix_share: Fraction of the crops whose mix holds all other stems; the others hold one to all of them.
        gain_range: Least and greatest gain of a stem in the mix.
        rest_share: Fraction of the crops that stay as first drawn, whether the target sounds in them or not.

    Raises:
        ValueError: If `crop_samples` is not positive.

    Example:
        >>> import soundfile, tempfile
        >>> from pathlib import Path
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
        self.submixes, self.rest_share = SubmixSampler(full_mix_share, gain_range), rest_share
        # Every second of audio is as likely as any other, so long tracks are drawn more often.
        self._ends = np.cumsum([track.length(folder.sampling_rate) for track in folder.tracks])
        self._powers: dict[str, dict[str, np.ndarray]] = {}

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        if not 0 <= index < self.length:
            raise IndexError(f"crop {index} of {self.length}")
        rng = SeededRandom(self.seed).child(f"crop {index}")
        track, start = self._draw_position(rng.child("place"))
        gains = self.submixes.draw(rng.child("mix"), [name for name in track.files if name != self.folder.target])
        powers = self._block_powers(track)

        crop = (start, self.crop_samples, self.folder.channels, self.folder.sampling_rate)
        stem = track.read(self.folder.target, *crop)
        mix = torch.zeros_like(stem)
        for name, gain in gains.items():
            mix += gain * track.read(name, *crop)
        # Stems are nearly uncorrelated: the power of their sum is the sum of their powers.
        mix_powers = sum(gain**2 * powers[name] for name, gain in gains.items())
        return mix * _reference_gain(mix_powers), stem * _reference_gain(powers[self.folder.target])

    def _draw_position(self, rng: SeededRandom) -> tuple[StemTrack, int]:
        """Draw a track and the first sample of the crop."""
        redraws = 0 if rng.bernoulli(self.rest_share) else REDRAWS
        while True:
            mark = rng.integer(int(self._ends[-1]))
            track = self.folder.tracks[int(np.searchsorted(self._ends, mark, side="right"))]
            start = rng.integer(max(track.length(self.folder.sampling_rate) - self.crop_samples, 0) + 1)
            if redraws == 0 or self._target_sounds(track, start):
                return track, start
            redraws -= 1

    def _target_sounds(self, track: StemTrack, start: int) -> bool:
        block = _file_block(track) * self.folder.sampling_rate / track.sampling_rate
        powers = self._block_powers(track)[self.folder.target]
        return is_active(powers, start / block, (start + self.crop_samples) / block)

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


def _reference_gain(powers: np.ndarray | float) -> float:
    """Gain from a track's level, as `latentstem.audio.level.active_rms` measures it, to the reference; 0 in silence."""
    values = np.asarray(powers, dtype=np.float64)
    active = active_blocks(values)
    return float(REFERENCE_RMS / np.sqrt(values[active].mean())) if active.any() else 0.0
