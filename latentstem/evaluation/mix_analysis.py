"""Tempo, bars, key and chords of a mix, estimated from its sound: what a person would write as the controls of a stem.

Beats are librosa's (Ellis 2007), to which a steady tempo is fitted. Chords are the triads of whose tones the chroma of
each beat holds most, smoothed by a hidden Markov model (Sheh and Ellis 2003). A bar begins on the beat at which chords
change and low drums sound most often. The key is that whose profile fits the tones of the chords. All of it is a guess;
`benchmarks/quality/mix_analysis.py` measures how good.
"""

from dataclasses import dataclass
from itertools import pairwise

import librosa
import numpy as np

from latentstem.conditioning.chords import QUALITIES, TimedChord
from latentstem.evaluation.key import TONICS, best_key
from latentstem.evaluation.rhythm import ANALYSIS_RATE, beat_times, mono_at_analysis_rate

BEATS_PER_BAR = 4
"""Beats in a bar, which is not estimated."""

_HOP = 512
_OCTAVES = 4
_STAY = 0.8  # probability that a chord goes on at the next beat
_SHARPNESS = 40.0  # how strongly a difference in fit between two chords counts
_NOTHING = 0.3  # fit of no chord at all
_LOW_HZ = 150.0
_LEAST_BEATS = 4


@dataclass(frozen=True)
class MixAnalysis:
    """What a mix sounds like.

    Attributes:
        bpm: Beats a minute of a steady tempo; None where no beats are found.
        downbeat: Second at which the first whole bar begins; 0 without a tempo.
        steadiness: Share of the beats that lie within 70 ms of the steady tempo, 0 to 1.
        key: Key such as "A minor"; None without chords.
        chords: Chords in order, without gaps; those without a symbol are times without a chord.

    Example:
        >>> MixAnalysis(96.0, 0.5, 1.0, "A minor", (TimedChord.of("Am", 0.5, 3.0),)).chart
        'Am:0.50'
    """

    bpm: float | None
    downbeat: float
    steadiness: float
    key: str | None
    chords: tuple[TimedChord, ...]

    @property
    def chart(self) -> str:
        """The chords as a chart with seconds, as the controls take it; empty without chords."""
        if not any(chord.symbol for chord in self.chords):
            return ""
        return " ".join(f"{chord.symbol or 'N'}:{max(chord.start, 0.0):.2f}" for chord in self.chords)


def analyse_mix(audio: np.ndarray, sampling_rate: int) -> MixAnalysis:
    """Estimate tempo, bars, key and chords of a mix.

    Args:
        audio: Mono audio `(samples,)`, of any level.
        sampling_rate: Sampling rate of `audio` in Hz.

    Returns:
        The estimates; nothing of silence, and of less than a second.

    Raises:
        ValueError: If the audio is not one-dimensional.

    Example:
        >>> time = np.arange(22050) / 22050
        >>> clicks = np.exp(-60 * (time % 0.5))
        >>> chord = sum(np.sin(2 * np.pi * hz * time) for hz in (220.0, 261.6, 329.6))
        >>> analysis = analyse_mix(np.tile(clicks * chord, 8), 22050)
        >>> round(analysis.bpm), analysis.chords[0].symbol
        (120, 'Am')
    """
    audio = mono_at_analysis_rate(audio, sampling_rate)
    if not np.any(audio) or len(audio) < ANALYSIS_RATE:
        return MixAnalysis(None, 0.0, 0.0, None, ())
    seconds = len(audio) / ANALYSIS_RATE
    beats = beat_times(audio, ANALYSIS_RATE)
    harmonic, percussive = librosa.effects.hpss(audio)
    chroma = _chroma(harmonic)
    if len(beats) < _LEAST_BEATS:
        chords = _find_chords(chroma, np.arange(0.0, seconds, 0.5), seconds)
        return MixAnalysis(None, 0.0, 0.0, _find_key(chords), chords)
    first, period, steadiness = _fit_grid(beats)
    first -= period * np.floor(first / period)
    grid = np.arange(first, seconds, period)
    chords = _find_chords(chroma, grid, seconds)
    downbeat = float(grid[_find_phase(chords, percussive, grid)]) if len(grid) > BEATS_PER_BAR else float(first)
    return MixAnalysis(60.0 / period, downbeat, steadiness, _find_key(chords), chords)


def _chroma(harmonic: np.ndarray) -> np.ndarray:
    """Return the magnitude of each pitch class from C3 to B6, `(12, frames)`: lower tones are the bass's to come."""
    tones = librosa.cqt(
        harmonic, sr=ANALYSIS_RATE, hop_length=_HOP, fmin=float(librosa.note_to_hz("C3")), n_bins=12 * _OCTAVES
    )
    return np.abs(tones).reshape(_OCTAVES, 12, -1).sum(0)


def _fit_grid(beats: np.ndarray) -> tuple[float, float, float]:
    """Fit evenly spaced beats; returns the time of one, the spacing, and the share of beats near the grid.

    Two neighbours give the spacing about right; steps between distant beats then refine it, without a miscount.
    """
    period = float(np.median(np.diff(beats)))
    steps = np.concatenate([[0.0], np.cumsum(np.round(np.diff(beats) / period))])
    for _ in range(3):
        period, first = np.polyfit(steps, beats, 1)
        near = np.abs(beats - first - period * steps) < 0.07
        if near.sum() < _LEAST_BEATS or near.all():
            break
        period, first = np.polyfit(steps[near], beats[near], 1)
    off = np.abs(beats - first - period * np.round((beats - first) / period))
    return float(first), float(period), float((off < 0.07).mean())


def _find_chords(chroma: np.ndarray, grid: np.ndarray, seconds: float) -> tuple[TimedChord, ...]:
    """Find the chords between the times of a grid, of which the first begins with the mix."""
    symbols, templates = _triads()
    shortest = 0.5 * (grid[1] - grid[0]) if len(grid) > 1 else 0.0
    edges = np.concatenate([[0.0], grid[(grid > shortest) & (grid < seconds - shortest)], [seconds]])
    frames = librosa.time_to_frames(edges, sr=ANALYSIS_RATE, hop_length=_HOP)
    sums = np.stack([chroma[:, a : max(b, a + 1)].mean(-1) for a, b in pairwise(frames)])
    fits = sums @ templates.T / (np.linalg.norm(sums, axis=1, keepdims=True) + 1e-6)
    scores = np.exp(_SHARPNESS * np.concatenate([fits, np.full((len(fits), 1), _NOTHING)], axis=1))
    probabilities = (scores / scores.sum(axis=1, keepdims=True)).T
    path = librosa.sequence.viterbi(probabilities, librosa.sequence.transition_loop(len(symbols) + 1, _STAY))
    changes = [0, *(index for index in range(1, len(path)) if path[index] != path[index - 1]), len(path)]
    return tuple(
        TimedChord.of(symbols[path[a]], edges[a], edges[b])
        if path[a] < len(symbols)
        else TimedChord(edges[a], edges[b], 0, ())
        for a, b in pairwise(changes)
    )


def _triads() -> tuple[list[str], np.ndarray]:
    """Return the symbols of all major and minor triads, and their tones as unit vectors `(24, 12)`."""
    symbols, templates = [], []
    for quality in ("", "m"):
        for root, name in enumerate(TONICS):
            template = np.zeros(12)
            template[[(root + step) % 12 for step in QUALITIES[quality]]] = 1.0
            symbols.append(f"{name}{quality}")
            templates.append(template / np.linalg.norm(template))
    return symbols, np.stack(templates)


def _find_phase(chords: tuple[TimedChord, ...], percussive: np.ndarray, grid: np.ndarray) -> int:
    """Return which beat of the grid, from 0 to 3, begins a bar."""
    changes = np.array([chord.start for chord in chords[1:]])
    lows = np.abs(librosa.stft(percussive, n_fft=2048, hop_length=_HOP))
    lows = lows[: int(_LOW_HZ * 2048 / ANALYSIS_RATE)].sum(0)
    rises = np.maximum(np.diff(lows, prepend=0.0), 0.0)
    frames = librosa.time_to_frames(grid, sr=ANALYSIS_RATE, hop_length=_HOP)
    low = np.array([rises[max(0, frame - 3) : frame + 4].max(initial=0.0) for frame in frames])
    changed = np.array([np.any(np.abs(changes - time) < 0.1) for time in grid], dtype=float)
    score = changed / max(changed.sum(), 1.0) + 0.5 * low / max(low.sum(), 1e-9)
    return int(np.argmax([score[phase::BEATS_PER_BAR].sum() for phase in range(BEATS_PER_BAR)]))


def _find_key(chords: tuple[TimedChord, ...]) -> str | None:
    """Return the key of the time that each pitch class is in the chords, where roots count twice.

    A tone's overtones are in the spectrum, and not in its chord: by the spectrum fifths are mistaken for tonics.
    """
    weights = np.zeros(12)
    for chord in chords:
        if chord.symbol:
            np.add.at(weights, [*chord.pitch_classes, chord.bass], chord.end - chord.start)
    return best_key(weights) if weights.any() else None
