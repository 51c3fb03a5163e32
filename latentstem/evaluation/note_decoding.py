"""Decode the notes of one block of a monophonic bass by one Viterbi search over pitches and rests.

At each frame the state is a rest or one MIDI pitch. Staying in a state costs its disagreement with the pitch track
(`track_pitch`); a new note costs a constant, less the strength of the attack at that frame. So a strong attack divides
two notes of one pitch, a change of pitch without an attack (a slide) divides them too, and vibrato and beating do not.
The attack is the spectral flux over 23 ms with a maximum filter over bands against vibrato (Böck and Widmer, "Maximum
filter vibrato suppression for onset detection", DAFx 2013), above its own mean around. A note ends at its release,
where the level falls much faster than a string decays.
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

FRAME_HOP = 2 * HOP_LENGTH
FRAME_RATE = ANALYSIS_RATE / FRAME_HOP
PITCH_FRAME_HOP = PITCH_HOP_LENGTH * ANALYSIS_RATE // PITCH_RATE


@dataclass(frozen=True)
class NoteDecodingConfig:
    """Constants of the note decoder. The defaults were chosen on 141 training and validation songs.

    Example:
        >>> NoteDecodingConfig(new_note_cost=5.0).new_note_cost  # fewer notes
        5.0
    """

    # Pitches.
    lowest_pitch: int = 21  # MIDI, the lowest of the pitch track
    highest_pitch: int = 71  # MIDI, the highest of the pitch track

    # Attacks: peaks of the spectral flux above its mean around.
    attack_window: int = 1024  # samples of a frame
    rise_frames: int = 4  # frames over which a rise is taken: 23 ms
    attack_distance: float = 0.03  # seconds between two attacks at least
    mean_span: float = 0.5  # seconds around an attack over which the mean flux is taken
    mean_ratio: float = 1.4  # multiple of the mean flux that an attack must exceed

    # Costs of the Viterbi search.
    new_note_cost: float = 3.0  # a new note without an attack
    attack_discount: float = 7.5  # reduction of the cost of a new note by an attack of flux 1
    strongest_attack: float = 0.6  # flux above which the reduction grows no more
    off_pitch_cost: float = 43.0  # a second and semitone between a note and the pitch track
    greatest_distance: float = 0.7  # semitones above which the distance to the pitch track costs no more
    unvoiced_cost: float = 4.3  # a second of note where the pitch track is unvoiced
    rest_cost: float = 21.5  # a second of rest where the pitch track is voiced
    silence_db: float = 50.0  # decibels below the loudest moment at which the level is silence
    silence_rms: float = 1e-5  # root mean square up to which the level is silence, whatever the loudest moment

    # Onsets: where the flux of an attack begins to rise.
    foot_ratio: float = 0.2  # fraction of the steepest rise at which an attack begins
    foot_lead: float = 0.0106  # seconds before a step at which its flux, in the short window, reaches that fraction
    longest_attack: float = 0.05  # seconds before the steepest rise in which an attack begins

    # Levels and releases.
    level_window: float = 0.02  # seconds over which the root mean square is taken
    level_span: float = 0.1  # seconds after the onset in which a note's greatest level lies
    release_db: float = 12.0  # a fall by this much within the span is a release, not the decay of a string
    release_span: float = 0.1  # seconds
    release_begin_db: float = 4.0  # a fall by this much is the beginning of the release
    shortest_note: float = 0.03  # seconds a note lasts at least, unless the next one begins


DEFAULT_CONFIG = NoteDecodingConfig()


class DecodedNote(NamedTuple):
    """A decoded note: `start` and `end` in seconds of the block, MIDI `pitch`, and greatest root mean square."""

    start: float
    end: float
    pitch: int
    level: float


@dataclass(frozen=True)
class PeakLevels:
    """Peak levels of a whole recording, against which attacks and silence in its blocks are measured.

    Attributes:
        frame: Greatest of the `frame_levels` of the pitch tracker.
        bands: Greatest of the `band_magnitudes` in frames of `NoteDecodingConfig.attack_window`.
        attack_bands: Greatest of the `band_magnitudes` in the short frames of `ATTACK_WINDOW`.
        level: Greatest root mean square over `NoteDecodingConfig.level_window`.

    Example:
        >>> PeakLevels().with_block(np.full(2048, 0.5), 0, 2048).level
        0.5
    """

    frame: float = 0.0
    bands: float = 0.0
    attack_bands: float = 0.0
    level: float = 0.0

    def with_block(self, audio: np.ndarray, first: int, stop: int, config: NoteDecodingConfig = DEFAULT_CONFIG) -> Self:
        """Return the peak levels of the blocks so far and of another one.

        Args:
            audio: Block with context on both sides, mono at `ANALYSIS_RATE`, `(samples,)`.
            first: First sample of the block without context.
            stop: Sample after the last of the block without context.
            config: Constants of the note decoder.
        """
        bands = [
            float(band_magnitudes(audio, window)[:, _frames(first, stop, HOP_LENGTH)].max())
            for window in (config.attack_window, ATTACK_WINDOW)
        ]
        frames = frame_levels(audio, ANALYSIS_RATE)[_frames(first, stop, PITCH_FRAME_HOP)]
        level = _level(audio, stop // FRAME_HOP + 1, config)[_frames(first, stop, FRAME_HOP)]
        return type(self)(
            max(self.frame, float(frames.max())),
            max(self.bands, bands[0]),
            max(self.attack_bands, bands[1]),
            max(self.level, float(level.max())),
        )


def decode_notes(
    audio: np.ndarray, peaks: PeakLevels, config: NoteDecodingConfig = DEFAULT_CONFIG
) -> list[DecodedNote]:
    """Decode the notes of a block.

    Args:
        audio: Mono audio at `ANALYSIS_RATE`, `(samples,)`, at least one sample.
        peaks: Peak levels of the recording of which the block is a part.
        config: Constants of the note decoder.

    Returns:
        The notes in order of their start, none overlapping another. Within half a second of the ends of the block they
        may differ from those of the whole recording.

    Example:
        >>> time = np.arange(22050) / 22050
        >>> audio = np.concatenate([np.zeros(11025), np.sin(2 * np.pi * 110 * time) * np.exp(-4 * time)])
        >>> [note.pitch for note in decode_notes(audio, PeakLevels().with_block(audio, 0, len(audio)))]
        [45]
    """
    track = track_pitch(audio, ANALYSIS_RATE, peaks.frame)
    if not track.voiced.any():
        return []
    attack = _attacks(audio, peaks.bands, config)
    level = _level(audio, len(attack), config)
    found = _search(attack, *_costs(track, level, peaks.level, config), config)
    if not found:
        return []
    first_frames = np.array([first for first, _, _ in found])
    starts = _starts(audio, first_frames, attack, peaks.attack_bands, config)
    ends = np.array([_release(level, first, end, config) for first, end, _ in found]) / FRAME_RATE
    ends = np.minimum(np.maximum(ends, starts + config.shortest_note), [*starts[1:], len(audio) / ANALYSIS_RATE])
    return [
        DecodedNote(float(start), float(end), pitch, level)
        for start, end, (_, _, pitch), level in zip(
            starts, ends, found, _note_levels(found, level, config), strict=True
        )
        if end > start
    ]


def _frames(first: int, stop: int, hop: int) -> slice:
    """Return the slice of the frames that are centred on samples `first` to `stop`."""
    return slice(-(-first // hop), stop // hop + 1)


def _attacks(audio: np.ndarray, loudest: float, config: NoteDecodingConfig) -> np.ndarray:
    """Compute the strength of each frame's attack, 0 where there is none, `(frames,)`."""
    bands = rooted_bands(audio, config.attack_window, loudest)[:, ::2]
    flux = np.zeros(bands.shape[1])
    if len(flux) > config.rise_frames:
        rise = bands[:, config.rise_frames :] - maximum_filter1d(bands, 3, axis=0)[:, : -config.rise_frames]
        flux[config.rise_frames // 2 : -config.rise_frames // 2] = np.maximum(rise, 0.0).sum(axis=0)
    # A note that is cut by the end of the audio clicks there, in all frames whose windows reach beyond the end.
    flux[-config.rise_frames // 2 - config.attack_window // (4 * HOP_LENGTH) :] = 0.0
    flux = np.maximum(flux - config.mean_ratio * uniform_filter1d(flux, round(config.mean_span * FRAME_RATE)), 0.0)
    return np.where(flux == maximum_filter1d(flux, 2 * round(config.attack_distance * FRAME_RATE) + 1), flux, 0.0)


def _level(audio: np.ndarray, frames: int, config: NoteDecodingConfig) -> np.ndarray:
    """Compute the root mean square of the audio around each frame, `(frames,)`."""
    power = uniform_filter1d(audio.astype(np.float64) ** 2, round(config.level_window * ANALYSIS_RATE), mode="constant")
    samples = np.minimum(np.arange(frames) * FRAME_HOP, len(power) - 1)
    return np.sqrt(np.maximum(power[samples], 0.0))


def _costs(
    track: PitchTrack, level: np.ndarray, loudest: float, config: NoteDecodingConfig
) -> tuple[np.ndarray, np.ndarray]:
    """Compute the cost of each frame in a note of each pitch, `(frames, pitches)`, and in a rest, `(frames,)`."""
    # In integers: rounded seconds would decide between two equally near frames, and differ from block to block.
    samples = np.arange(len(level)) * FRAME_HOP
    nearest = np.minimum((samples + PITCH_FRAME_HOP // 2 - 1) // PITCH_FRAME_HOP, len(track.voiced) - 1)
    voiced = track.voiced[nearest]
    pitch = 69.0 + 12.0 * np.log2(np.where(voiced, track.frequency_hz[nearest], 440.0) / 440.0)
    distance = np.abs(pitch[:, None] - np.arange(config.lowest_pitch, config.highest_pitch + 1))
    sounding = (
        np.where(
            voiced[:, None],
            config.off_pitch_cost * np.minimum(distance, config.greatest_distance),
            config.unvoiced_cost,
        )
        / FRAME_RATE
    )
    resting = np.where(voiced, config.rest_cost, 0.0) / FRAME_RATE
    silent = level <= max(config.silence_rms, loudest * 10.0 ** (-config.silence_db / 20.0))
    # Not forbidden: in its frame, an attack out of silence begins before the note.
    sounding = np.where(silent[:, None], config.off_pitch_cost * config.greatest_distance / FRAME_RATE, sounding)
    return sounding, np.where(silent, 0.0, resting)


def _search(
    attack: np.ndarray, sounding: np.ndarray, resting: np.ndarray, config: NoteDecodingConfig
) -> list[tuple[int, int, int]]:
    """Find the cheapest sequence of notes, each as first frame, frame after the last, and pitch."""
    frames, rest = sounding.shape
    beginning = config.new_note_cost - config.attack_discount * np.minimum(attack, config.strongest_attack)
    cost = np.full(rest + 1, np.inf)  # of the best path to each pitch, and to the rest, the last state
    cost[rest] = 0.0
    came_from = np.empty((frames, rest + 1), dtype=np.int16)
    begins = np.zeros((frames, rest + 1), dtype=bool)
    for frame in range(frames):
        best = int(np.argmin(cost))
        new_cost = cost[best] + beginning[frame]
        begins[frame] = new_cost < cost
        begins[frame, rest] = False
        came_from[frame] = np.where(begins[frame], best, np.arange(rest + 1))
        came_from[frame, rest] = best
        before = cost[best]
        cost = np.where(begins[frame], new_cost, cost)
        cost[rest] = before
        cost[:rest] += sounding[frame]
        cost[rest] += resting[frame]

    notes, state, end = [], int(np.argmin(cost)), frames
    for frame in range(frames - 1, -1, -1):
        if begins[frame, state]:
            notes.append((frame, end, config.lowest_pitch + state))
        if state == rest or begins[frame, state]:
            end = frame
        state = int(came_from[frame, state])
    return notes[::-1]


def _starts(
    audio: np.ndarray, first_frames: np.ndarray, attack: np.ndarray, loudest: float, config: NoteDecodingConfig
) -> np.ndarray:
    """Find the onsets of the notes in seconds, ascending: the beginning of each note's attack, where it has one."""
    rate = ANALYSIS_RATE / HOP_LENGTH
    flux = spectral_flux(audio, ATTACK_WINDOW, loudest)
    before, after = (int(reach * rate) for reach in ATTACK_REACH)
    starts = first_frames / FRAME_RATE
    for index, frame in enumerate(first_frames):
        if attack[frame] == 0.0:
            continue
        first = max(2 * frame - before, 0)
        steepest = first + int(np.argmax(flux[first : 2 * frame + after + 1]))
        foot = config.foot_ratio * flux[steepest]
        earlier = max(steepest - round(config.longest_attack * rate), 0)
        below = np.flatnonzero(flux[earlier:steepest] <= foot)
        if len(below):
            last = earlier + int(below[-1])
            # Flux belongs to the step between two frames, hence half a frame less.
            position = last - 0.5 + (foot - flux[last]) / (flux[last + 1] - flux[last])
        else:
            position = float(earlier)
        starts[index] = max(position / rate + config.foot_lead, 0.0)
    return np.maximum.accumulate(starts)


def _release(level: np.ndarray, first: int, end: int, config: NoteDecodingConfig) -> int:
    """Find the frame at which the first fall by `release_db` within `release_span` begins, or return `end`."""
    span = round(config.release_span * FRAME_RATE)
    loudest = first + int(np.argmax(level[first:end]))
    before = np.maximum(np.arange(loudest, end) - span, loudest)
    fallen = np.flatnonzero(level[loudest:end] < level[before] * 10.0 ** (-config.release_db / 20.0))
    if not len(fallen):
        return end
    held, low = int(before[fallen[0]]), loudest + int(fallen[0])
    return (
        held + int(np.flatnonzero(level[held:low] >= level[held] * 10.0 ** (-config.release_begin_db / 20.0))[-1]) + 1
    )


def _note_levels(found: list[tuple[int, int, int]], level: np.ndarray, config: NoteDecodingConfig) -> list[float]:
    """Return the greatest level of each note soon after its onset."""
    span = round(config.level_span * FRAME_RATE)
    return [float(level[first : min(end, first + span)].max()) for first, end, _ in found]
