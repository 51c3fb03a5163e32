"""Pitch tracks of basses by probabilistic YIN (Mauch and Dixon, ICASSP 2014), and their agreement.

pYIN is used in librosa's implementation, set up for basses.

Before tracking, a first-order high-pass at 200 Hz tilts the spectrum towards the partials, which carry the
pitch: some sampled basses start each note with a thump of one low pitch (TimGM6mb's acoustic bass: 55 Hz). On 24 test
songs the tilt raises the fraction of frames tracked to the written note from 0.90 to 0.95, and the chord share of the
true basses from 0.93 to 0.98; on a song of that acoustic bass, from no voiced frame to all.
"""

from dataclasses import dataclass

import librosa
import numpy as np
import scipy.signal
import soxr

ANALYSIS_RATE = 11025
TILT_HZ = 200.0
FRAME_LENGTH = 1024
HOP_LENGTH = 256
LOWEST_HZ = 27.5  # A0: the tracker's grid of pitches starts here, so that notes tuned to A440 lie on the grid
HIGHEST_HZ = 500.0
SEMITONE_STEP = 0.2
SILENCE_DB = 50.0
SILENCE_RMS = 1e-5


@dataclass(frozen=True)
class PitchTrack:
    """The pitch of one mono recording on an even grid of frames.

    Example:
        >>> import numpy as np
        >>> track = PitchTrack(np.array([0.0, 0.1]), np.array([55.0, np.nan]), np.array([True, False]))
        >>> track.pitch_class.tolist(), track.voiced_share
        ([9, -1], 0.5)

    Attributes:
        times: Centre of each frame in seconds, `(frames,)`.
        frequency_hz: Fundamental frequency in Hz, NaN where unvoiced, `(frames,)`.
        voiced: Whether each frame has a pitch, `(frames,)`.
    """

    times: np.ndarray
    frequency_hz: np.ndarray
    voiced: np.ndarray

    @property
    def pitch_class(self) -> np.ndarray:
        """Nearest pitch class (0 is C) of each frame, -1 where unvoiced, `(frames,)` of int."""
        midi = 69.0 + 12.0 * np.log2(np.where(self.voiced, self.frequency_hz, 440.0) / 440.0)
        return np.where(self.voiced, np.round(midi).astype(int) % 12, -1)

    @property
    def voiced_share(self) -> float:
        """Fraction of all frames that have a pitch, 0 for a track without frames."""
        return float(self.voiced.mean()) if len(self.voiced) else 0.0


def track_pitch(audio: np.ndarray, sampling_rate: int, loudest: float | None = None) -> PitchTrack:
    """Track the pitch of a bass.

    The audio is first resampled to 11025 Hz, which keeps 11 harmonics of the highest pitch tracked and makes the
    tracker run at many times real time. Frames more than 50 dB below the loudest frame are unvoiced, whatever hum or
    reverberation is left in them.

    Args:
        audio: Mono audio `(samples,)`, any level.
        sampling_rate: Sampling rate of `audio` in Hz.
        loudest: Greatest of the `frame_levels` of the recording of which `audio` is a part; by default that of `audio`.

    Returns:
        The track, one frame every 23 ms (43 a second), the first centred on the first sample.

    Raises:
        ValueError: If the audio is not one-dimensional, or is empty.

    Example:
        >>> import numpy as np
        >>> tone = np.sin(2 * np.pi * 110.0 * np.arange(11025) / 11025)
        >>> float(round(np.median(track_pitch(tone, 11025).frequency_hz)))
        110.0
    """
    audio = _tilted(audio, sampling_rate)
    rms = _levels(audio)
    frames = len(rms)
    times = np.arange(frames) * HOP_LENGTH / ANALYSIS_RATE
    loudest = float(rms.max()) if loudest is None else loudest
    sounding = rms > max(SILENCE_RMS, loudest * 10.0 ** (-SILENCE_DB / 20.0))
    if not sounding.any():
        return PitchTrack(times, np.full(frames, np.nan), np.zeros(frames, dtype=bool))
    frequency, voiced, _ = librosa.pyin(
        audio,
        fmin=LOWEST_HZ,
        fmax=HIGHEST_HZ,
        sr=ANALYSIS_RATE,
        frame_length=FRAME_LENGTH,
        hop_length=HOP_LENGTH,
        resolution=SEMITONE_STEP,
        pad_mode="constant",
    )
    voiced = voiced & sounding
    return PitchTrack(times, np.where(voiced, frequency, np.nan), voiced)


def frame_levels(audio: np.ndarray, sampling_rate: int) -> np.ndarray:
    """Return the root mean square of each frame of the tracker, `(frames,)`, after the spectral tilt.

    Args:
        audio: Mono audio `(samples,)`, any level.
        sampling_rate: Sampling rate of `audio` in Hz.

    Raises:
        ValueError: If the audio is not one-dimensional, or is empty.
    """
    return _levels(_tilted(audio, sampling_rate))


def _tilted(audio: np.ndarray, sampling_rate: int) -> np.ndarray:
    """Resample the audio to `ANALYSIS_RATE` and tilt the spectrum towards the partials, `(samples,)`."""
    audio = np.asarray(audio, dtype=np.float32)
    if audio.ndim != 1 or not len(audio):
        raise ValueError(f"got audio of shape {audio.shape}, expected (samples,): take the mean of the channels")
    audio = soxr.resample(audio, sampling_rate, ANALYSIS_RATE)
    audio = audio if len(audio) else np.zeros(1, dtype=np.float32)  # audio shorter than a sample at 11025 Hz
    tilt = scipy.signal.butter(1, TILT_HZ, "highpass", fs=ANALYSIS_RATE, output="sos")
    return np.asarray(scipy.signal.sosfilt(tilt, audio), dtype=np.float32)


def _levels(audio: np.ndarray) -> np.ndarray:
    return librosa.feature.rms(y=audio, frame_length=FRAME_LENGTH, hop_length=HOP_LENGTH)[0]


def track_agreement(reference: PitchTrack, estimate: PitchTrack, cents: float = 50.0) -> float:
    """Compute the fraction of the reference's voiced frames whose pitch the estimate keeps.

    A frame that is unvoiced in the estimate counts as a miss; frames that are voiced in the estimate alone do
    not count. This is mir_eval's raw pitch accuracy on one common grid, with the estimate's voicing applied.

    Args:
        reference: Pitch track of the true recording.
        estimate: Pitch track of the recording to compare, with as many frames.
        cents: Greatest distance that counts as an equal pitch, in hundredths of a semitone.

    Returns:
        The fraction in [0, 1]; 0 where the reference has no voiced frame.

    Raises:
        ValueError: If the tracks differ in their number of frames.

    Example:
        >>> import numpy as np
        >>> voiced = np.array([True, True])
        >>> reference = PitchTrack(np.array([0.0, 0.1]), np.array([55.0, 55.0]), voiced)
        >>> estimate = PitchTrack(np.array([0.0, 0.1]), np.array([55.5, 110.0]), voiced)
        >>> track_agreement(reference, estimate)
        0.5
    """
    if len(reference.times) != len(estimate.times):
        raise ValueError(
            f"got tracks of {len(reference.times)} and {len(estimate.times)} frames, expected equally many: "
            "cut both recordings to one length and sampling rate"
        )
    if not reference.voiced.any():
        return 0.0
    both = reference.voiced & estimate.voiced
    distance = 1200.0 * np.abs(np.log2(estimate.frequency_hz[both] / reference.frequency_hz[both]))
    return float(np.count_nonzero(distance <= cents) / np.count_nonzero(reference.voiced))


def pitch_agreement(
    reference_audio: np.ndarray, estimate_audio: np.ndarray, sampling_rate: int, cents: float = 50.0
) -> float:
    """Track two recordings of one length and compute their `track_agreement`.

    Args:
        reference_audio: True recording, `(samples,)`.
        estimate_audio: Recording to compare, `(samples,)`, aligned with the reference.
        sampling_rate: Sampling rate of the recordings in Hz.
        cents: Greatest distance that counts as an equal pitch, in hundredths of a semitone.

    Returns:
        The fraction in [0, 1].

    Raises:
        ValueError: If an array is not one-dimensional or is empty, or if the lengths differ.

    Example:
        >>> import numpy as np
        >>> time = np.arange(11025) / 11025
        >>> low, high = np.sin(2 * np.pi * 55.0 * time), np.sin(2 * np.pi * 110.0 * time)
        >>> pitch_agreement(low, low, 11025), pitch_agreement(low, high, 11025)
        (1.0, 0.0)
    """
    return track_agreement(
        track_pitch(reference_audio, sampling_rate), track_pitch(estimate_audio, sampling_rate), cents
    )
