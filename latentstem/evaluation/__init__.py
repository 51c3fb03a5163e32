"""Figures of merit for generated stems: functions on numpy arrays, mono audio as `(samples,)`.

Each is exact on synthesised tones (the tests hold it to that). The benchmarks only call these functions.
"""

from latentstem.evaluation.harmony import SoundingChord, chord_share, root_share
from latentstem.evaluation.pitch import PitchTrack, pitch_agreement, track_agreement, track_pitch
from latentstem.evaluation.reconstruction import RoundTrip, log_spectral_distance, round_trip
from latentstem.evaluation.rhythm import beat_f1, beat_times, onset_f1, onset_lag, onset_times
from latentstem.evaluation.style import nearest_program, sounding_frames, style_movement

__all__ = [
    "PitchTrack",
    "RoundTrip",
    "SoundingChord",
    "beat_f1",
    "beat_times",
    "chord_share",
    "log_spectral_distance",
    "nearest_program",
    "onset_f1",
    "onset_lag",
    "onset_times",
    "pitch_agreement",
    "root_share",
    "round_trip",
    "sounding_frames",
    "style_movement",
    "track_agreement",
    "track_pitch",
]
