"""Notes of one block of a monophonic bass, found by one Viterbi search over pitches and rests.

At each moment the bass rests or sounds one MIDI pitch. Staying costs what the pitch track (`track_pitch`) says against
it; a new note costs a constant, less the strength of the attack at that moment. So a strong attack parts two notes of
one pitch, a change of pitch without an attack (a slide) parts them too, and vibrato and beating do neither. The attack
is the spectral flux over 23 ms with the bands' neighbours taken in, as vibrato asks (Böck and Widmer, "Maximum filter
vibrato suppression for onset detection", DAFx 2013), above its own mean around. A note ends where it is let go: a
release falls much faster than a string decays.

The constants were chosen on 141 training and validation songs.
"""

from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
from scipy.ndimage import maximum_filter1d, uniform_filter1d

from latentstem.evaluation.pitch import ANALYSIS_RATE as PITCH_RATE
from latentstem.evaluation.pitch import HOP_LENGTH as PITCH_HOP_LENGTH
from latentstem.evaluation.pitch import PitchTrack, frame_levels, track_pitch
from latentstem.evaluation.rhythm import (
    ANALYSIS_RATE,
    ATTACK_REACH,
    ATTACK_WINDOW,
    HOP_LENGTH,
    band_magnitudes,
    rooted_bands,
    spectral_flux,
)

LOWEST_PITCH, HIGHEST_PITCH = 21, 71  # MIDI, what the pitch track looks for
FRAME_HOP = 2 * HOP_LENGTH
FRAME_RATE = ANALYSIS_RATE / FRAME_HOP
PITCH_FRAME_HOP = PITCH_HOP_LENGTH * ANALYSIS_RATE // PITCH_RATE

WINDOW = 1024
RISE = 4  # frames over which a rise is taken: 23 ms
APART = 0.03  # seconds between attacks at least
SURROUNDINGS = 0.5  # seconds over which the mean flux is taken
MEAN_SHARE = 1.4  # of the mean flux around, that an attack has to exceed

NEW_NOTE = 3.0
ATTACK = 7.5  # what an attack of flux 1 takes off the cost of a new note
STRONGEST_ATTACK = 0.6  # flux beyond which it takes off no more
OFF_PITCH = 43.0  # a second and semitone
FAR = 0.7  # semitones beyond which a pitch is wrong, no matter how far
UNVOICED = 4.3  # a second of note without a pitch
RESTING = 21.5  # a second of rest with a pitch
SILENCE_DB = 50.0  # below the loudest moment, where any pitch is wrong
SILENCE_LEVEL = 1e-5

FOOT = 0.2  # of the steepest rise, where an attack begins
FOOT_LEAD = 0.0106  # seconds before a step at which its rise, seen through the short window, reaches this: see the test
LONGEST_ATTACK = 0.05  # seconds

LEVEL_WINDOW = 0.02  # seconds
STROKE = 0.1  # seconds after the onset that hold a note's greatest level
RELEASE_DB = 12.0  # a fall by this much within the span is a release, not the decay of a string
RELEASE_SPAN = 0.1  # seconds
RELEASE_BEGUN_DB = 4.0  # fallen by this much, a release has begun
SHORTEST = 0.03  # seconds a note lasts at least, unless the next one begins


class Stroke(NamedTuple):
    """A note with the level it has: `start` and `end` in seconds of the block, MIDI `pitch`, and root mean square."""

    start: float
    end: float
    pitch: int
    level: float


@dataclass(frozen=True)
class PeakLevels:
    """The loudest moments of a whole recording, against which attacks and silence in its blocks are measured.

    Attributes:
        frame: Greatest of the `frame_levels` of the pitch tracker.
        bands: Of the `band_magnitudes`.
        attack_bands: Of these, seen through the short window.
        level: Of the root mean square over 20 ms.
    """

    frame: float = 0.0
    bands: float = 0.0
    attack_bands: float = 0.0
    level: float = 0.0

    def with_block(self, audio: np.ndarray, first: int, stop: int) -> Self:
        """Of what was heard before, and of samples `first` to `stop - 1` of a block that holds their surroundings."""
        bands = [
            float(band_magnitudes(audio, window)[:, _frames(first, stop, HOP_LENGTH)].max())
            for window in (WINDOW, ATTACK_WINDOW)
        ]
        frames = frame_levels(audio, ANALYSIS_RATE)[_frames(first, stop, PITCH_FRAME_HOP)]
        level = _level(audio, stop // FRAME_HOP + 1)[_frames(first, stop, FRAME_HOP)]
        return type(self)(
            max(self.frame, float(frames.max())),
            max(self.bands, bands[0]),
            max(self.attack_bands, bands[1]),
            max(self.level, float(level.max())),
        )


def decode_notes(audio: np.ndarray, loudest: PeakLevels) -> list[Stroke]:
    """Finds the notes of a block.

    Args:
        audio: mono at `ANALYSIS_RATE`, `(samples,)`, at least one.
        loudest: of the recording that it is a part of.

    Returns:
        The notes in order of their start, none overlapping another. Within half a second of either end of the block
        they may be others than the recording's.
    """
    track = track_pitch(audio, ANALYSIS_RATE, loudest.frame)
    if not track.voiced.any():
        return []
    attack = _attacks(audio, loudest.bands)
    level = _level(audio, len(attack))
    found = _search(attack, *_costs(track, level, loudest.level))
    if not found:
        return []
    first_frames = np.array([first for first, _, _ in found])
    starts = _starts(audio, first_frames, attack, loudest.attack_bands)
    ends = np.array([_released(level, first, end) for first, end, _ in found]) / FRAME_RATE
    ends = np.minimum(np.maximum(ends, starts + SHORTEST), [*starts[1:], len(audio) / ANALYSIS_RATE])
    return [
        Stroke(float(start), float(end), pitch, level)
        for start, end, (_, _, pitch), level in zip(starts, ends, found, _stroke_levels(found, level), strict=True)
        if end > start
    ]


def _frames(first: int, stop: int, hop: int) -> slice:
    """Those that are centred on samples `first` to `stop`."""
    return slice(-(-first // hop), stop // hop + 1)


def _attacks(audio: np.ndarray, loudest: float) -> np.ndarray:
    """Strength of the attack at each frame where one is, 0 elsewhere, `(frames,)`."""
    bands = rooted_bands(audio, WINDOW, loudest)[:, ::2]
    flux = np.zeros(bands.shape[1])
    if len(flux) > RISE:
        rise = bands[:, RISE:] - maximum_filter1d(bands, 3, axis=0)[:, :-RISE]
        flux[RISE // 2 : -RISE // 2] = np.maximum(rise, 0.0).sum(axis=0)
    # A note that is cut by the end of the audio clicks there, seen as soon as windows reach beyond it.
    flux[-RISE // 2 - WINDOW // (4 * HOP_LENGTH) :] = 0.0
    flux = np.maximum(flux - MEAN_SHARE * uniform_filter1d(flux, round(SURROUNDINGS * FRAME_RATE)), 0.0)
    return np.where(flux == maximum_filter1d(flux, 2 * round(APART * FRAME_RATE) + 1), flux, 0.0)


def _level(audio: np.ndarray, frames: int) -> np.ndarray:
    """Root mean square of the audio around each frame, `(frames,)`."""
    power = uniform_filter1d(audio.astype(np.float64) ** 2, round(LEVEL_WINDOW * ANALYSIS_RATE), mode="constant")
    samples = np.minimum(np.arange(frames) * FRAME_HOP, len(power) - 1)
    return np.sqrt(np.maximum(power[samples], 0.0))


def _costs(track: PitchTrack, level: np.ndarray, loudest: float) -> tuple[np.ndarray, np.ndarray]:
    """What each frame costs as a part of a note of each pitch, `(frames, pitches)`, and as a rest, `(frames,)`."""
    # In whole numbers: the rounding of seconds would decide between two equally near, and differ from block to block.
    samples = np.arange(len(level)) * FRAME_HOP
    nearest = np.minimum((samples + PITCH_FRAME_HOP // 2 - 1) // PITCH_FRAME_HOP, len(track.voiced) - 1)
    voiced = track.voiced[nearest]
    pitch = 69.0 + 12.0 * np.log2(np.where(voiced, track.frequency_hz[nearest], 440.0) / 440.0)
    distance = np.abs(pitch[:, None] - np.arange(LOWEST_PITCH, HIGHEST_PITCH + 1))
    sounding = np.where(voiced[:, None], OFF_PITCH * np.minimum(distance, FAR), UNVOICED) / FRAME_RATE
    resting = np.where(voiced, RESTING, 0.0) / FRAME_RATE
    silent = level <= max(SILENCE_LEVEL, loudest * 10.0 ** (-SILENCE_DB / 20.0))
    # Not forbidden: seen through its window, an attack out of silence begins before the note does.
    sounding = np.where(silent[:, None], OFF_PITCH * FAR / FRAME_RATE, sounding)
    return sounding, np.where(silent, 0.0, resting)


def _search(attack: np.ndarray, sounding: np.ndarray, resting: np.ndarray) -> list[tuple[int, int, int]]:
    """The cheapest notes, as first frame, frame after the last, and pitch."""
    frames, rest = sounding.shape
    beginning = NEW_NOTE - ATTACK * np.minimum(attack, STRONGEST_ATTACK)
    cost = np.full(rest + 1, np.inf)  # of the best way to each pitch, and to rest, the last
    cost[rest] = 0.0
    came_from = np.empty((frames, rest + 1), dtype=np.int16)
    begins = np.zeros((frames, rest + 1), dtype=bool)
    for frame in range(frames):
        best = int(np.argmin(cost))
        begun = cost[best] + beginning[frame]
        begins[frame] = begun < cost
        begins[frame, rest] = False
        came_from[frame] = np.where(begins[frame], best, np.arange(rest + 1))
        came_from[frame, rest] = best
        before = cost[best]
        cost = np.where(begins[frame], begun, cost)
        cost[rest] = before
        cost[:rest] += sounding[frame]
        cost[rest] += resting[frame]

    notes, state, end = [], int(np.argmin(cost)), frames
    for frame in range(frames - 1, -1, -1):
        if begins[frame, state]:
            notes.append((frame, end, LOWEST_PITCH + state))
        if state == rest or begins[frame, state]:
            end = frame
        state = int(came_from[frame, state])
    return notes[::-1]


def _starts(audio: np.ndarray, first_frames: np.ndarray, attack: np.ndarray, loudest: float) -> np.ndarray:
    """When the note of each first frame begins, in seconds, ascending: the foot of its attack, where it has one."""
    rate = ANALYSIS_RATE / HOP_LENGTH
    flux = spectral_flux(audio, ATTACK_WINDOW, loudest)
    before, after = (int(reach * rate) for reach in ATTACK_REACH)
    starts = first_frames / FRAME_RATE
    for number, frame in enumerate(first_frames):
        if attack[frame] == 0.0:
            continue
        first = max(2 * frame - before, 0)
        steepest = first + int(np.argmax(flux[first : 2 * frame + after + 1]))
        foot = FOOT * flux[steepest]
        earlier = max(steepest - round(LONGEST_ATTACK * rate), 0)
        below = np.flatnonzero(flux[earlier:steepest] <= foot)
        if len(below):
            last = earlier + int(below[-1])
            # Flux belongs to the step between two frames, hence half a frame less.
            position = last - 0.5 + (foot - flux[last]) / (flux[last + 1] - flux[last])
        else:
            position = float(earlier)
        starts[number] = max(position / rate + FOOT_LEAD, 0.0)
    return np.maximum.accumulate(starts)


def _released(level: np.ndarray, first: int, end: int) -> int:
    """Frame at which a note is let go: where its first fall by `RELEASE_DB` within `RELEASE_SPAN` begins, or `end`."""
    span = round(RELEASE_SPAN * FRAME_RATE)
    loudest = first + int(np.argmax(level[first:end]))
    before = np.maximum(np.arange(loudest, end) - span, loudest)
    fallen = np.flatnonzero(level[loudest:end] < level[before] * 10.0 ** (-RELEASE_DB / 20.0))
    if not len(fallen):
        return end
    held, low = int(before[fallen[0]]), loudest + int(fallen[0])
    return held + int(np.flatnonzero(level[held:low] >= level[held] * 10.0 ** (-RELEASE_BEGUN_DB / 20.0))[-1]) + 1


def _stroke_levels(found: list[tuple[int, int, int]], level: np.ndarray) -> list[float]:
    """Greatest level of each note soon after its onset."""
    stroke = round(STROKE * FRAME_RATE)
    return [float(level[first : min(end, first + stroke)].max()) for first, end, _ in found]
