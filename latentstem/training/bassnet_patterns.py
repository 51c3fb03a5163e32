"""Where the controls of known patterns of basses lie, measured after a training on annotated tracks."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from latentstem.audio.multi_resolution import MultiResolutionWindows
from latentstem.data.corpus import ANNOTATION, read_annotation
from latentstem.models.bassnet import BassNetModel
from latentstem.models.bassnet_input import STEPS_PER_SECOND
from latentstem.pipelines.bassnet_control import ControlPattern
from latentstem.training.bassnet_windows import BassNetTrack, compress_windows

_FEWEST_WINDOWS = 8  # of a pattern whose place is told
_BATCH = 20


@torch.no_grad()
def encode_controls(
    model: BassNetModel, windows: MultiResolutionWindows, places: Sequence[tuple[BassNetTrack, int, int]]
) -> np.ndarray:
    """Infer the controls of windows.

    Args:
        model: Model in evaluation mode.
        windows: Lengths of the windows.
        places: Windows, as `compress_windows` takes them.

    Returns:
        Means of the controls, `(windows, control_dim)`.
    """
    means = []
    for first in range(0, len(places), _BATCH):
        batch = compress_windows(windows, places[first : first + _BATCH], model.device)
        mean, _ = model.encode(batch.mix, batch.bass, return_dict=False)
        means.append(mean.cpu())
    return torch.cat(means).numpy()


def window_patterns(
    root: Path, windows: MultiResolutionWindows, places: Sequence[tuple[BassNetTrack, int, int]]
) -> tuple[np.ndarray, np.ndarray]:
    """Look up which pattern the bass follows in windows of annotated tracks.

    Args:
        root: Folder of the tracks.
        windows: Lengths of the windows.
        places: Windows, as `compress_windows` takes them.

    Returns:
        The pattern in the middle of each window, empty where the bass rests or the track is not annotated, and whether
        the window lies within one section, both `(windows,)`.
    """
    annotated = {track.name for track, _, _ in places if (root / track.name / ANNOTATION).is_file()}
    songs = {name: read_annotation(root / name) for name in annotated}
    patterns, inside = [], []
    for track, _, start in places:
        begin, end = start / STEPS_PER_SECOND, (start + windows.expanded) / STEPS_PER_SECOND
        sections = songs[track.name].sections if track.name in annotated else ()
        here = [part for part in sections if part.start <= (begin + end) / 2 < part.end] or sections[-1:]
        patterns.append(here[0].bass_style if here else "")
        inside.append(bool(here) and here[0].start <= begin and end <= here[0].end)
    return np.array(patterns), np.array(inside)


def measure_patterns(
    model: BassNetModel,
    windows: MultiResolutionWindows,
    places: Sequence[tuple[BassNetTrack, int, int]],
    root: Path,
) -> dict[str, ControlPattern]:
    """Measure where the controls of each pattern lie.

    Args:
        model: Model in evaluation mode.
        windows: Lengths of the windows.
        places: Windows, as `compress_windows` takes them.
        root: Folder of their tracks; patterns are known of those that are annotated, as composed songs are.

    Returns:
        The patterns by name; rare ones are left out.
    """
    names, inside = window_patterns(root, windows, places)
    places = [place for place, whole in zip(places, inside & (names != ""), strict=True) if whole]
    names = names[inside & (names != "")]
    if not places:
        return {}
    means = encode_controls(model, windows, places)
    found, counts = np.unique(names, return_counts=True)
    return {
        str(name): ControlPattern.of(means[names == name], count / len(names))
        for name, count in zip(found, counts, strict=True)
        if count >= _FEWEST_WINDOWS
    }
