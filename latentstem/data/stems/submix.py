"""Random sub-mixes of stems at random gains (BassNet, Grachten, Lattner and Deruty 2020, section 4.3)."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.data import Dataset

from latentstem.audio.rate import SAMPLING_RATE
from latentstem.data.rng import SeededRandom
from latentstem.data.stems.track import StemTrack


@dataclass(frozen=True)
class SubmixSampler:
    """Draws which stems a mix holds, and the gain of each.

    Args:
        full_mix_share: Probability that a mix holds all stems; other mixes hold one to all of them, each number of
            stems equally likely.
        gain_range: Least and greatest gain of a stem, drawn uniformly.

    Example:
        >>> sampler = SubmixSampler(full_mix_share=1.0)
        >>> gains = sampler.draw(SeededRandom(0), ["drums", "keys"])
        >>> sorted(gains), all(0.5 <= gain <= 1 for gain in gains.values())
        (['drums', 'keys'], True)
    """

    full_mix_share: float = 0.5
    gain_range: tuple[float, float] = (0.5, 1.0)

    def draw(self, rng: SeededRandom, names: Sequence[str]) -> dict[str, float]:
        """Draw one sub-mix.

        Args:
            rng: Source of the draws.
            names: Names of the stems that the mix may hold, at least one.

        Returns:
            Names of the chosen stems to their gains.
        """
        count = len(names) if rng.bernoulli(self.full_mix_share) else 1 + rng.integer(len(names))
        left = list(names)
        chosen = [left.pop(rng.integer(len(left))) for _ in range(count)]
        return {name: rng.uniform(*self.gain_range) for name in chosen}


@dataclass(frozen=True)
class TrackSubmixes(Dataset[Tensor]):
    """Audio of the stem of each track and of random sub-mixes, `(1 + submixes, channels, samples)`.

    Each item is a function of the seed and the name of its track.

    Args:
        tracks: Tracks of one folder.
        target: Name of the stem.
        submixes: Number of sub-mixes; the first is the whole accompaniment.
        seed: Seed of the sub-mixes.
        channels: Number of channels that the stems are read in, 1 or 2; see `StemTrack.read`.
        sampling_rate: Sampling rate that the stems are read at, in Hz.

    Example:
        >>> stem, mix = TrackSubmixes(StemFolder("stems").tracks, "bass", submixes=1)[0]  # doctest: +SKIP
    """

    tracks: Sequence[StemTrack]
    target: str
    submixes: int = 0
    seed: int = 0
    channels: int = 1
    sampling_rate: int = SAMPLING_RATE

    def __len__(self) -> int:
        return len(self.tracks)

    def __getitem__(self, index: int) -> Tensor:
        track = self.tracks[index]
        rng = SeededRandom(self.seed).child(f"track {track.name}")
        mixes = (self._submix(track, rng, variant) for variant in range(self.submixes))
        return torch.stack([self._read(track, self.target), *mixes])

    def _read(self, track: StemTrack, name: str) -> Tensor:
        return track.read(name, channels=self.channels, sampling_rate=self.sampling_rate)

    def _submix(self, track: StemTrack, rng: SeededRandom, variant: int) -> Tensor:
        sampler = SubmixSampler(full_mix_share=float(variant == 0))
        gains = sampler.draw(rng.child(f"submix {variant}"), [name for name in track.files if name != self.target])
        silence = torch.zeros(self.channels, track.length(self.sampling_rate))
        return sum((gain * self._read(track, name) for name, gain in gains.items()), silence)
