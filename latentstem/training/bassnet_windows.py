"""Windows of mixes and basses for the training of BassNet, cut from spectrograms that are computed once."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.utils.data import DataLoader
from tqdm.auto import tqdm

from latentstem.audio.level import normalize_level
from latentstem.audio.multi_resolution import MultiResolutionWindows
from latentstem.data.corpus import ANNOTATION, read_annotation
from latentstem.data.stems.folder import StemFolder, StemTrack
from latentstem.data.stems.submix import TrackSubmixes
from latentstem.models.bassnet_input import BASSNET_RATE, BASSNET_TRANSFORM, STEPS_PER_SECOND, bassnet_spectrogram
from latentstem.training.bassnet_targets import (
    NO_PITCH,
    BassTargets,
    bass_targets,
    pitch_probabilities,
    widen_onsets,
)

CACHE_VERSION = 1
"""Part of a cache's key, to be raised whenever equal files give other spectrograms or targets than before."""


@dataclass(frozen=True)
class BassNetTrack:
    """What BassNet learns from one track.

    Attributes:
        name: Name of the track.
        mixes: Spectrograms of sub-mixes, the whole accompaniment first, `(variants, bins, steps)`.
        bass: Spectrogram of the bass, `(bins, steps)`.
        targets: Pitch, onset and level of the bass.

    Example:
        >>> targets = BassTargets(torch.zeros(90).long(), torch.zeros(90), torch.zeros(90))
        >>> BassNetTrack("song", torch.zeros(2, 264, 90), torch.zeros(264, 90), targets).steps
        90
    """

    name: str
    mixes: Tensor
    bass: Tensor
    targets: BassTargets

    @property
    def steps(self) -> int:
        """Length in hundredths of a second."""
        return self.bass.shape[-1]


@dataclass(frozen=True)
class BassNetBatch:
    """Windows as `BassNetModel` takes them, and what it is to say of them.

    Attributes:
        mix: Windows of mixes, `(batch, resolutions, steps, bins)`.
        bass: Windows of the basses at the same time, shaped like `mix`.
        target: What `latentstem.losses.reconstruction_errors` compares: `"spectrogram"`, `"f0"`, `"onset"`, `"level"`.
    """

    mix: Tensor
    bass: Tensor
    target: dict[str, Tensor]


def cache_spectrograms(
    root: Path, target: str, cache: Path, submixes: int = 1, seed: int = 0, workers: int = 0
) -> list[BassNetTrack]:
    """Analyse every track under a folder, or read what the cache holds of it.

    Where a track is annotated, as composed songs are, pitch and onsets of the target are those of its notes; elsewhere
    they are tracked.

    Args:
        root: Folder of tracks.
        target: Name of the stem.
        cache: Folder of the cache, created if absent.
        submixes: Number of mixes per track: the first holds all stems but the target, the others one to all of them, at
            random gains.
        seed: Seed of the sub-mixes.
        workers: Number of processes that read and mix; this process analyses.

    Returns:
        The tracks in order of name, in half precision.

    Raises:
        latentstem.data.stems.layouts.StemError: If the folder holds no usable track.
    """
    words = " ".join(map(str, (CACHE_VERSION, root.resolve(), target, submixes, seed)))
    folder = cache / hashlib.sha256(words.encode()).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    tracks = StemFolder(root, target, sampling_rate=BASSNET_RATE).tracks
    files = [folder / f"{track.name}.safetensors" for track in tracks]
    missing = [index for index, file in enumerate(files) if not file.is_file()]
    audio = TrackSubmixes(tracks, target, submixes, seed, sampling_rate=BASSNET_RATE)
    loader = DataLoader(audio, None, sampler=missing, num_workers=workers, generator=torch.Generator())
    for index, stems in zip(missing, tqdm(loader, desc="spectrograms", disable=not missing), strict=True):
        partial = files[index].with_suffix(".partial")
        save_file(_analyse(tracks[index], root, target, stems[:, 0]), partial)
        partial.rename(files[index])
    return [_read(track.name, file) for track, file in zip(tracks, files, strict=True)]


def _analyse(track: StemTrack, root: Path, target: str, audio: Tensor) -> dict[str, Tensor]:
    """Spectrograms of the target and the sub-mixes `(1 + submixes, samples)`, and the target's descriptors."""
    audio = normalize_level(audio[:, None])[:, 0]  # the level of a bass is told as the net hears it
    spectrograms = bassnet_spectrogram(audio)
    notes = None
    if (root / track.name / ANNOTATION).is_file():
        parts = {part.name: part for part in read_annotation(root / track.name).parts}
        notes = parts[target].notes if target in parts else None
    described = bass_targets(audio[0], BASSNET_RATE, notes, spectrograms.shape[-1])
    return {
        "spectrograms": spectrograms.half().contiguous(),
        "f0": described.f0.short(),
        "onset": described.onset.half(),
        "level": described.level.half(),
    }


def _read(name: str, file: Path) -> BassNetTrack:
    values = load_file(file)
    bass, *_ = spectrograms = values["spectrograms"]
    onset = widen_onsets(values["onset"].float())
    targets = BassTargets(values["f0"].long(), onset, values["level"].float())
    return BassNetTrack(name, spectrograms[1:], bass, targets)


def compress_windows(
    windows: MultiResolutionWindows,
    places: Sequence[tuple[BassNetTrack, int, int]],
    device: torch.device | str = "cpu",
    transpositions: Sequence[int] | None = None,
) -> BassNetBatch:
    """Cut windows from tracks, and compress them to several resolutions.

    Args:
        windows: Lengths of the windows.
        places: A track, the index of one of its mixes, and the first step of the window, for each window. Beyond both
            ends the first and the last step of a track go on.
        device: Device of the batch.
        transpositions: Semitones by which each window is moved up, with the pitch of its bass; None moves none.

    Returns:
        The windows.
    """
    mixes, basses, f0, onset, level = [], [], [], [], []
    for (track, variant, start), semitones in zip(places, transpositions or len(places) * [0], strict=True):
        index = torch.arange(start, start + windows.expanded).clamp(0, track.steps - 1)
        bins = semitones * BASSNET_TRANSFORM.bins_per_octave // 12
        mixes.append(_move(track.mixes[variant][:, index], bins))
        basses.append(_move(track.bass[:, index], bins))
        f0.append(_move_pitch(track.targets.f0[index], bins, len(track.bass)))
        onset.append(track.targets.onset[index])
        level.append(track.targets.level[index])

    def compress(values: Tensor) -> Tensor:
        return windows.compress(values.to(device)).transpose(-1, -2)

    mix, bass = (compress(torch.stack(values).float()) for values in (mixes, basses))
    pitch = compress(pitch_probabilities(torch.stack(f0)).transpose(-1, -2))
    onsets, levels = (compress(torch.stack(values)[:, None])[..., 0] for values in (onset, level))
    return BassNetBatch(mix, bass, {"spectrogram": bass, "f0": pitch, "onset": onsets, "level": levels})


def _move(spectrogram: Tensor, bins: int) -> Tensor:
    """Move a spectrogram `(bins, steps)` up; what comes in at an end is as quiet as its quietest bin."""
    if bins == 0:
        return spectrogram
    moved = spectrogram.roll(bins, 0)
    moved[slice(0, bins) if bins > 0 else slice(bins, None)] = spectrogram.min()
    return moved


def _move_pitch(f0: Tensor, bins: int, count: int) -> Tensor:
    """Move bins up, where there is a pitch; one that leaves the range is none."""
    moved = f0 + bins
    return torch.where((f0 == NO_PITCH) | (moved < 0) | (moved >= count), NO_PITCH, moved)


class BassNetWindows:
    """Batches without end of windows and neighbours from within a few seconds; by default a neighbour for each.

    Window `i` and window `i + batch_size / 2` are each other's partners (section 4.4.2); of larger groups the windows
    lie `batch_size / group` apart, and each is the partner of the one before it. Each batch is a function of
    `(seed, step)` alone, so a resumed training continues with the batches it has not seen.

    Args:
        tracks: Tracks of any lengths.
        windows: Lengths of the windows.
        batch_size: Windows per batch, a multiple of `group`.
        neighbour_seconds: Greatest distance of neighbours in seconds.
        transpose: Greatest random transposition in whole semitones, up and down, the same for both neighbours.
        seed: Seed of tracks, mixes, times and transpositions.
        device: Device of the batches.
        group: Number of windows that are neighbours of one another, at least 2.

    Raises:
        ValueError: If the batch is no multiple of `group`, or there are no tracks.

    Example:
        >>> targets = BassTargets(torch.zeros(90).long(), torch.zeros(90), torch.zeros(90))
        >>> track = BassNetTrack("song", torch.zeros(1, 264, 90), torch.zeros(264, 90), targets)
        >>> windows = BassNetWindows([track], MultiResolutionWindows(10, 20), batch_size=4)
        >>> windows.batch(step=0).mix.shape
        torch.Size([4, 2, 10, 264])
    """

    def __init__(
        self,
        tracks: Sequence[BassNetTrack],
        windows: MultiResolutionWindows,
        batch_size: int = 20,
        neighbour_seconds: float = 5.0,
        transpose: int = 0,
        seed: int = 0,
        device: torch.device | str = "cpu",
        group: int = 2,
    ):
        if not tracks or group < 2 or batch_size < 1 or batch_size % group:
            raise ValueError(
                f"got {len(tracks)} tracks, batch_size={batch_size} and group={group}; expected at least one track, "
                "and a number of windows that groups of neighbours, at least 2 each, divide"
            )
        self.tracks, self.windows, self.batch_size, self.device = tracks, windows, batch_size, device
        self.group = group
        self.neighbour = round(neighbour_seconds * STEPS_PER_SECOND)
        self.transpose, self.seed = transpose, seed
        steps = np.array([track.steps for track in tracks])
        self._shares = steps / steps.sum()

    @property
    def partners(self) -> Tensor:
        """Index of each window's partner in its batch."""
        return torch.arange(self.batch_size, device=self.device).roll(self.batch_size // self.group)

    @property
    def groups(self) -> Tensor:
        """Number of the group of each window."""
        return torch.arange(self.batch_size, device=self.device) % (self.batch_size // self.group)

    def batch(self, step: int) -> BassNetBatch:
        """Draw the batch of a step."""
        rng = np.random.default_rng((self.seed, step))
        groups = []
        for index in rng.choice(len(self.tracks), self.batch_size // self.group, p=self._shares):
            track = self.tracks[index]
            last = max(track.steps - self.windows.expanded, 0)
            start = int(rng.integers(last + 1))
            reach = max(start - self.neighbour, 0), min(start + self.neighbour, last) + 1
            near = [int(rng.integers(*reach)) for _ in range(self.group - 1)]
            # All in one mix: the control says how a bass relates to it, and another mix is another relation.
            variant = int(rng.integers(len(track.mixes)))
            groups.append([(track, variant, begin) for begin in (start, *near)])
        moved = self.group * rng.integers(-self.transpose, self.transpose + 1, len(groups)).tolist()
        places = [place for row in zip(*groups, strict=True) for place in row]
        return compress_windows(self.windows, places, self.device, moved)
