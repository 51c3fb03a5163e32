"""Styles that need no upload: synthesized basses of our own engines, and the recordings of a visitor's last takes."""

import threading
from pathlib import Path

import torch
from torch import Tensor

from latentstem.audio.io import write_audio
from latentstem.audio.level import reference_gain
from latentstem.audio.rate import SAMPLING_RATE
from latentstem.data.render.engines import Engine, FrequencyModulation, PatchDraws, PluckedString, Subtractive
from latentstem.data.rng import SeededRandom
from latentstem.data.score import Note
from latentstem.ui.history import Take

_BASSES: dict[str, tuple[type[Engine], int]] = {
    "finger bass, synthesized": (PluckedString, 0),
    "picked bass, synthesized": (PluckedString, 2),
    "slap bass, synthesized": (PluckedString, 8),
    "upright bass, synthesized": (PluckedString, 6),
    "analogue synthesizer": (Subtractive, 1),
    "FM synthesizer": (FrequencyModulation, 0),
}
_PITCHES = (28, 28, 40, 35, 31, 31, 43, 38, 33, 33, 45, 40, 36, 36, 35, 35)
_BEAT = 0.5  # seconds
_playing = threading.Lock()  # two presses would write one file


def style_names(takes: list[Take]) -> list[str]:
    """Return the names of the styles that a visitor can choose: those of their takes, the newest first, then ours.

    Args:
        takes: Takes of the visitor, oldest first.

    Example:
        >>> style_names([])[:2]
        ['finger bass, synthesized', 'picked bass, synthesized']
    """
    return [*_recordings(takes), *_BASSES]


def style_file(name: str, takes: list[Take], folder: Path) -> Path:
    """Return the recording of a style; one of ours is played and written unless it is there.

    Args:
        name: Name of the style.
        takes: Takes of the visitor, oldest first.
        folder: Folder of the visitor.

    Raises:
        ValueError: There is no such style.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     style_file("FM synthesizer", [], Path(folder)).name
        'FM synthesizer.wav'
    """
    recordings = _recordings(takes)
    if name in recordings:
        return recordings[name]
    if name not in _BASSES:
        raise ValueError(f"got the style {name!r}; expected one of {', '.join(style_names(takes))}")
    file = folder / f"{name}.wav"
    with _playing:
        if not file.exists():
            write_audio(file, _play(*_BASSES[name]), SAMPLING_RATE)
    return file


def _play(engine: type[Engine], seed: int) -> Tensor:
    patch = engine.draw(PatchDraws(SeededRandom(seed), unseen=True), "bass")
    notes = [Note(_BEAT * beat, _BEAT * (beat + 0.9), pitch, 96) for beat, pitch in enumerate(_PITCHES)]
    played = torch.from_numpy(patch.render(notes, _BEAT * len(notes), SeededRandom(seed))).float()[None]
    return (played * reference_gain(played[None])).clamp(-1, 1)


def _recordings(takes: list[Take]) -> dict[str, Path]:
    """Return the recordings that takes have as styles and that are still there, the newest first."""
    files = (file for take in reversed(takes) for file in take.result.request.styles)
    recordings: dict[str, Path] = {}
    for file in files:
        if file.stem not in _BASSES and file.exists():
            recordings.setdefault(file.stem, file)
    return recordings
