"""Controls of a target, read from the annotations of the band corpus, for the training of a denoiser."""

from collections.abc import Sequence
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from latentstem.audio.level import normalize_level
from latentstem.conditioning import BeatGrid, ChordChart, TimedChord, density_curve, level_curve, register_curve
from latentstem.data.corpus import ANNOTATION, read_annotation
from latentstem.data.score import Note, Song
from latentstem.data.stems.track import StemTrack
from latentstem.models.codec import Codec
from latentstem.training.latents import TrackCondition

NOTE_CHANNELS = 14
"""Twelve pitch classes from C, the rest, and onsets."""


def annotated_controls(names: Sequence[str], target: str, codec: Codec) -> dict[str, TrackCondition]:
    """Make the functions that compute controls of a track for a training on cached latents.

    Args:
        names: Names of controls: "beat", "sawtooth" (the beat as LADMG takes it), "chords", "density", "register",
            "level". All but the level are read from the `song.json` in the folder of the track.
        target: Name of the stem whose density, register and level are computed.
        codec: Codec on whose latent frames the controls lie.

    Returns:
        Functions by name, in the order of `names`; they raise a `ValueError` for a track without an annotation.

    Raises:
        ValueError: A name is unknown.

    Example:
        >>> from latentstem import AutoencoderSpectral
        >>> codec = AutoencoderSpectral(latent_channels=4, channels=8, latent_hidden_channels=8, carriers=0)
        >>> conditions = annotated_controls(["beat", "chords"], "bass", codec)
        >>> conditions["beat"](track, 320).shape  # doctest: +SKIP
        torch.Size([4, 320])
    """
    unknown = [name for name in names if name not in _CONTROLS]
    if unknown:
        raise ValueError(f"got the controls {', '.join(unknown)}, expected some of: {', '.join(_CONTROLS)}")
    return {name: partial(_CONTROLS[name], target=target, codec=codec) for name in names}


def annotated_notes(target: str, codec: Codec) -> TrackCondition:
    """Make the function that computes which notes of a target sound in each latent frame.

    Args:
        target: Name of the stem.
        codec: Codec on whose latent frames the notes lie.

    Returns:
        Function from a track to `(NOTE_CHANNELS, frames)`: the share of the frame in which each pitch class sounds, the
        share without a note, and 1 where a note begins. It raises a `ValueError` for a track without an annotation.

    Example:
        >>> from latentstem import AutoencoderSpectral
        >>> codec = AutoencoderSpectral(latent_channels=4, channels=8, latent_hidden_channels=8, carriers=0)
        >>> annotated_notes("bass", codec)(track, 320).shape  # doctest: +SKIP
        torch.Size([14, 320])
    """

    def notes_of(track: StemTrack, frames: int) -> Tensor:
        rate = _rate(codec)
        edges = np.arange(frames + 1)
        sounding = np.zeros((NOTE_CHANNELS, frames), dtype=np.float32)
        for note in _notes(track, target):
            first, last = note.start * rate, note.end * rate
            sounding[note.pitch % 12] += np.diff(np.clip(edges, first, last))
            if first < frames:
                sounding[-1, int(first)] = 1.0
        sounding[12] = np.maximum(1.0 - sounding[:12].sum(0), 0.0)
        return torch.from_numpy(sounding)

    return notes_of


def chart_of(song: Song) -> ChordChart:
    """Return the chords of a song as a chart, from which the control is computed.

    Args:
        song: Annotated song.

    Example:
        >>> from latentstem.data.compose import compose
        >>> song = compose(0, 10.0)
        >>> len(chart_of(song).chords) == len(song.chords)
        True
    """
    chords = (TimedChord(chord.start, chord.end, chord.bass, chord.pitch_classes) for chord in song.chords)
    return ChordChart(tuple(chords))


def grid_of(song: Song) -> BeatGrid:
    """Return the beats and bars of a song as a grid, from which the control is computed.

    Args:
        song: Annotated song.

    Example:
        >>> from latentstem.data.compose import compose
        >>> song = compose(0, 10.0)
        >>> grid_of(song).beats == song.beats
        True
    """
    return BeatGrid.from_times(song.beats, song.bars)


def _beat(track: StemTrack, frames: int, target: str, codec: Codec) -> Tensor:
    return grid_of(_song(track)).phases(frames, _rate(codec))


def _sawtooth(track: StemTrack, frames: int, target: str, codec: Codec) -> Tensor:
    return grid_of(_song(track)).sawtooth(frames, _rate(codec))


def _chords(track: StemTrack, frames: int, target: str, codec: Codec) -> Tensor:
    return chart_of(_song(track)).features(frames, _rate(codec))


def _density(track: StemTrack, frames: int, target: str, codec: Codec) -> Tensor:
    return density_curve([note.start for note in _notes(track, target)], frames, _rate(codec))


def _register(track: StemTrack, frames: int, target: str, codec: Codec) -> Tensor:
    notes = _notes(track, target)
    starts, ends, pitches = ([getattr(note, name) for note in notes] for name in ("start", "end", "pitch"))
    return register_curve(starts, ends, pitches, frames, _rate(codec))


def _level(track: StemTrack, frames: int, target: str, codec: Codec) -> Tensor:
    # At the level at which the stem is encoded.
    audio = normalize_level(track.read(target, 0, None, codec.audio_channels, codec.sampling_rate)[None])
    return level_curve(audio[0], codec.sampling_rate, frames, _rate(codec))


_CONTROLS = {
    "beat": _beat,
    "sawtooth": _sawtooth,
    "chords": _chords,
    "density": _density,
    "register": _register,
    "level": _level,
}


def _rate(codec: Codec) -> float:
    """Latent frames a second."""
    return codec.sampling_rate / codec.hop_length


def _notes(track: StemTrack, target: str) -> tuple[Note, ...]:
    return _song(track).part(target).notes


def _song(track: StemTrack) -> Song:
    folder = next(iter(track.files.values()))[0].parent
    try:
        return _read_once(folder)
    except FileNotFoundError as error:
        raise ValueError(
            f"{folder} has no {ANNOTATION} to read controls from; train on annotated songs, as `latentstem corpus` "
            "writes them, or without these controls"
        ) from error


@lru_cache(maxsize=1)  # the controls of a track are computed one after the other
def _read_once(folder: Path) -> Song:
    return read_annotation(folder)
