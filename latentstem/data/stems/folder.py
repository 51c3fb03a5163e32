"""Folders of stems: the tracks of a folder that a training can use.

Layouts: see `latentstem.data.stems.layouts`. Random crops: see `latentstem.data.stems.crops`.
"""

import warnings
from collections.abc import Sequence
from pathlib import Path

from latentstem.audio.rate import SAMPLING_RATE
from latentstem.data.stems.layouts import StemError, track_files
from latentstem.data.stems.track import StemTrack, is_silent


class StemFolder:
    """The usable tracks under a folder.

    Args:
        root: Folder of track folders; of MUSDB18-HQ and Slakh2100 the `train` or `test` folder.
        target: Name of the stem to generate.
        mix_stems: Names of the stems that the mix may hold; None allows all but the target, and an empty list takes
            tracks without a mix.
        channels: Audio channels of the net that the stems are for: 1, the mean of the files' channels, or 2.
        sampling_rate: Sampling rate of the net that the stems are for, in Hz; the files may have any.

    Attributes:
        tracks: Every track with the target and at least one other stem of the mix, in order of name.
        skipped: Names of the folders without the target or without another stem.
        silent: Names of the folders left out because their target is silent from end to end; with one channel, also
            those in which the two channels of its files cancel in their mean. A warning names them.

    Raises:
        StemError: If the folder is missing, holds no track with a sounding target and another stem, or a file is not
            audio, is empty, has more than two channels or differs from the other stems of its track in sampling rate.
        ValueError: If `channels` is not 1 or 2.

    Example:
        >>> import numpy as np, soundfile, tempfile
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
        if mix_stems is not None and target in mix_stems:
            raise StemError(f"mix_stems is {tuple(mix_stems)}, expected names other than {target!r}")
        fewest = 1 if mix_stems is not None and not mix_stems else 2
        tracks, skipped, silent, found = [], [], [], set[str]()
        for folder in sorted(path for path in self.root.iterdir() if path.is_dir() and path.name[0] != "."):
            files = track_files(folder).stems
            found.update(files)
            usable = files if mix_stems is None else {target, *mix_stems}
            files = {name: paths for name, paths in files.items() if name in usable}
            if target not in files or len(files) < fewest:
                skipped.append(folder.name)
                continue
            track = StemTrack.of(folder.name, files)
            (silent if is_silent(files[target], channels) else tracks).append(track)
        self.tracks: tuple[StemTrack, ...] = tuple(tracks)
        self.skipped: tuple[str, ...] = tuple(skipped)
        self.silent: tuple[str, ...] = tuple(track.name for track in silent)
        names = [_silent_name(track, target) for track in silent]
        if not tracks:
            raise StemError(self._nothing_found(found, mix_stems, names))
        if silent:
            warnings.warn(f"{self.root}: left out, because their {target} is silent: {', '.join(names)}", stacklevel=2)

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
        allowed = "" if mix_stems is None else f" among {', '.join(mix_stems)}"
        return (
            f"no track in {self.root} has a stem beside {self.target!r}{allowed}, expected at least one to make the "
            "mix of"
        )


def _silent_name(track: StemTrack, target: str) -> str:
    """Name of a track whose target is silent, and the reason if it is not silent in two channels."""
    return track.name if is_silent(track.files[target], 2) else f"{track.name} (anti-phase: its channels cancel)"
