"""Notes of a monophonic bass, found by one Viterbi search over pitches and rests.

At each moment the bass rests or sounds one MIDI pitch. Staying costs what the pitch track (`track_pitch`) says against
it; a new note costs a constant, less the strength of the attack at that moment. So a strong attack parts two notes of
one pitch, a change of pitch without an attack (a slide) parts them too, and vibrato and beating do neither. The attack
is the spectral flux over 23 ms with the bands' neighbours taken in, as vibrato asks (Böck and Widmer, "Maximum filter
vibrato suppression for onset detection", DAFx 2013), above its own mean around. A note ends where it is let go: a
release falls much faster than a string decays.

The constants were chosen on 141 training and validation songs.
"""

import numpy as np
from scipy.ndimage import maximum_filter1d, uniform_filter1d

from latentstem.data.score import Note
from latentstem.evaluation.pitch import PitchTrack, track_pitch
from latentstem.evaluation.rhythm import (
    ANALYSIS_RATE,
    ATTACK_REACH,
    ATTACK_WINDOW,
    HOP_LENGTH,
    mono_at_analysis_rate,
    rooted_bands,
    spectral_flux,
)

LOWEST_PITCH, HIGHEST_PITCH = 21, 71  # MIDI, what the pitch track looks for
FRAME_RATE = ANALYSIS_RATE / (2 * HOP_LENGTH)

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


def transcribe(audio: np.ndarray, sampling_rate: int) -> list[Note]:
    """Writes down the notes of a monophonic bass.

    Onsets are where notes begin to be heard, right to about 2 ms for notes that start at once. A sampled instrument
    begins some milliseconds after its key is pressed: 5 to 10 for most basses of the corpus, up to 30 for some.

    Args:
        audio: mono audio `(samples,)`, any level.
        sampling_rate: of `audio`, in Hz.

    Returns:
        The notes in order of their start, none overlapping another: start and end in seconds, MIDI pitch of 21 to 71,
        and a velocity that has the loudest note at 127 and falls with the level as General MIDI 2 plays it, by
        `40 log10(velocity / 127)` dB. None in silence.

    Raises:
        ValueError: if the audio is not one-dimensional, or is empty.

    Example:
        >>> import numpy as np
        >>> time = np.arange(22050) / 22050
        >>> note = np.sin(2 * np.pi * 110 * time) * np.exp(-4 * time) * (time < 0.5)
        >>> notes = transcribe(np.concatenate([np.zeros(11025), note, 0.5 * note]), 22050)
        >>> [(round(note.start, 2), note.pitch, note.velocity) for note in notes]
        [(0.5, 45, 127), (1.5, 45, 89)]
    """
    track = track_pitch(audio, sampling_rate)
    audio = mono_at_analysis_rate(audio, sampling_rate)
    if not track.voiced.any():
        return []
    attack = _attacks(audio)
    level = _level(audio, len(attack))
    found = _search(attack, *_costs(track, level))
    if not found:
        return []
    first_frames = np.array([first for first, _, _ in found])
    starts = _starts(audio, first_frames, attack)
    ends = np.array([_released(level, first, end) for first, end, _ in found]) / FRAME_RATE
    ends = np.minimum(np.maximum(ends, starts + SHORTEST), [*starts[1:], len(audio) / ANALYSIS_RATE])
    return [
        Note(float(start), float(end), pitch, int(velocity))
        for start, end, (_, _, pitch), velocity in zip(starts, ends, found, _velocities(found, level), strict=True)
        if end > start
    ]


def _attacks(audio: np.ndarray) -> np.ndarray:
    """Strength of the attack at each frame where one is, 0 elsewhere, `(frames,)`."""
    bands = rooted_bands(audio, WINDOW)[:, ::2]
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
    samples = np.minimum(np.arange(frames) * 2 * HOP_LENGTH, len(power) - 1)
    return np.sqrt(np.maximum(power[samples], 0.0))


def _costs(track: PitchTrack, level: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What each frame costs as a part of a note of each pitch, `(frames, pitches)`, and as a rest, `(frames,)`."""
    times = np.arange(len(level)) / FRAME_RATE
    nearest = np.searchsorted((track.times[1:] + track.times[:-1]) / 2, times)
    voiced = track.voiced[nearest]
    pitch = 69.0 + 12.0 * np.log2(np.where(voiced, track.frequency_hz[nearest], 440.0) / 440.0)
    distance = np.abs(pitch[:, None] - np.arange(LOWEST_PITCH, HIGHEST_PITCH + 1))
    sounding = np.where(voiced[:, None], OFF_PITCH * np.minimum(distance, FAR), UNVOICED) / FRAME_RATE
    resting = np.where(voiced, RESTING, 0.0) / FRAME_RATE
    silent = level <= max(SILENCE_LEVEL, level.max() * 10.0 ** (-SILENCE_DB / 20.0))
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


def _starts(audio: np.ndarray, first_frames: np.ndarray, attack: np.ndarray) -> np.ndarray:
    """When the note of each first frame begins, in seconds, ascending: the foot of its attack, where it has one."""
    rate = ANALYSIS_RATE / HOP_LENGTH
    flux = spectral_flux(audio, ATTACK_WINDOW)
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


def _velocities(found: list[tuple[int, int, int]], level: np.ndarray) -> np.ndarray:
    stroke = round(STROKE * FRAME_RATE)
    loudest = np.array([level[first : min(end, first + stroke)].max() for first, end, _ in found])
    return np.clip(np.round(127.0 * np.sqrt(loudest / loudest.max())), 1, 127).astype(int)
