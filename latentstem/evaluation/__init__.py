"""Metrics of generated stems: functions on numpy arrays, mono audio as `(samples,)`.

The tests hold each of them to exact results on synthesized tones.
"""

from latentstem.evaluation.clap import ClapEmbedding
from latentstem.evaluation.frechet import GaussianStatistics, frechet_distance, kernel_distance
from latentstem.evaluation.harmony import SoundingChord, chord_share, root_on_downbeat, root_share
from latentstem.evaluation.key import SoundingKey, key_agreement, line_key, prevailing_key
from latentstem.evaluation.pitch import PitchTrack, pitch_agreement, track_agreement, track_pitch
from latentstem.evaluation.reconstruction import RoundTrip, perturb, round_trip
from latentstem.evaluation.register import density_ratio, median_pitch, register_distance
from latentstem.evaluation.retrieval import mean_diagonal, prompt_adherence, ranks, soft_assignments, top_k
from latentstem.evaluation.rhythm import beat_f1, beat_times, onset_f1, onset_lag, onset_times
from latentstem.evaluation.spectrum import chroma_agreement, log_mel_l1, log_spectral_distance, multi_scale_distance
from latentstem.evaluation.style import nearest_program, sounding_frames, style_movement
from latentstem.evaluation.timbre import program_classifier, timbre
from latentstem.evaluation.transcription import transcribe, transcribe_file

__all__ = [
    "ClapEmbedding",
    "GaussianStatistics",
    "PitchTrack",
    "RoundTrip",
    "SoundingChord",
    "SoundingKey",
    "beat_f1",
    "beat_times",
    "chord_share",
    "chroma_agreement",
    "density_ratio",
    "frechet_distance",
    "kernel_distance",
    "key_agreement",
    "line_key",
    "log_mel_l1",
    "log_spectral_distance",
    "mean_diagonal",
    "median_pitch",
    "multi_scale_distance",
    "nearest_program",
    "onset_f1",
    "onset_lag",
    "onset_times",
    "perturb",
    "pitch_agreement",
    "prevailing_key",
    "program_classifier",
    "prompt_adherence",
    "ranks",
    "register_distance",
    "root_on_downbeat",
    "root_share",
    "round_trip",
    "soft_assignments",
    "sounding_frames",
    "style_movement",
    "timbre",
    "top_k",
    "track_agreement",
    "track_pitch",
    "transcribe",
    "transcribe_file",
]
