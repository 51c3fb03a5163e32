"""Evaluation of a pipeline that returns the true stems, and of an untrained one."""

import json

import numpy as np
import pytest
import soundfile
import torch

from latentstem.data.compose.composer import compose
from latentstem.evaluation.pipeline import (
    GENERATED,
    ROUND_TRIP,
    SWAPPED,
    TRUE,
    Evaluation,
    evaluate_pipeline,
    write_evaluation,
)
from latentstem.evaluation.scores import METRICS

SEEDS = (1, 3)
SECONDS = 6.0


@pytest.fixture
def songs(tmp_path, synthesize):
    """Two composed songs with basses of sines."""
    for seed in SEEDS:
        song = compose(seed, SECONDS)
        folder = tmp_path / "songs" / f"song_{seed}"
        folder.mkdir(parents=True)
        bass = synthesize([(note.start, note.end, note.pitch) for note in song.part("bass").notes], SECONDS)
        soundfile.write(folder / "bass.wav", bass, 44100)
        soundfile.write(folder / "chords1.wav", 0.01 * np.random.default_rng(seed).standard_normal(len(bass)), 44100)
        (folder / "song.json").write_text(json.dumps({"soundfont": "none", "song": song.to_dict()}))
    return tmp_path / "songs"


class TrueStemPipeline:
    """A pipeline that returns the true basses, one after the other."""

    sampling_rate, audio_channels, hop_length = 44100, 1, 4096
    config, target_names = {"target": "bass"}, ("bass",)

    def __init__(self, autoencoder, folder):
        self.autoencoder = autoencoder
        self.basses = [soundfile.read(folder / f"song_{seed}" / "bass.wav", dtype="float32")[0] for seed in SEEDS]

    def set_progress_bar_config(self, **_):
        pass

    def __call__(self, mix, **call):
        assert mix.shape == (1, round(SECONDS * 44100)) and call["num_inference_steps"] == 2
        assert call["target"] == "bass"
        return (torch.from_numpy(self.basses.pop(0))[None, None],)


def test_a_pipeline_that_returns_the_true_stem_has_the_scores_of_the_true_stem(songs, build_pipeline):
    pipe, progress = TrueStemPipeline(build_pipeline().autoencoder, songs), []
    evaluation = evaluate_pipeline(pipe, songs, num_inference_steps=2, on_progress=progress.append)
    assert progress == [step / 10 for step in range(1, 11)]
    assert evaluation.tracks == [f"song_{seed}" for seed in SEEDS]
    assert evaluation.scores[GENERATED] == evaluation.scores[TRUE]
    assert evaluation.mean(TRUE, "onset_f1") > 0.95 and evaluation.mean(TRUE, "chord_share") > 0.9
    assert evaluation.mean(TRUE, "voiced_ratio") == 1.0
    # Two songs, swapped: each bass is held against the other's chords.
    assert evaluation.mean(SWAPPED, "chord_share") < evaluation.mean(GENERATED, "chord_share") - 0.2
    assert evaluation.distances["Fréchet distance, latent frames"] == pytest.approx(0.0, abs=1e-6)
    assert evaluation.distances["kernel distance, latent frames"] < 0.0 + 1e-6


def test_a_pipeline_of_several_stems_is_asked_for_the_one_that_is_evaluated(songs, build_pipeline):
    pipe = TrueStemPipeline(build_pipeline().autoencoder, songs)
    pipe.config, pipe.target_names = {"target": "drums"}, ("drums", "bass")
    evaluation = evaluate_pipeline(pipe, songs, "bass", num_inference_steps=2)
    assert evaluation.scores[GENERATED] == evaluation.scores[TRUE]


def test_an_untrained_pipeline_is_scored_and_its_metrics_are_written(songs, build_pipeline, tmp_path):
    evaluation = evaluate_pipeline(build_pipeline(), songs, num_inference_steps=2, seconds=3.0)
    assert set(evaluation.scores) == {TRUE, ROUND_TRIP, GENERATED, SWAPPED}
    # Notes after the third second are not missed.
    assert evaluation.mean(TRUE, "onset_f1") > 0.95
    files = write_evaluation(evaluation, tmp_path / "metrics")
    assert sorted(file.name for file in (tmp_path / "metrics").iterdir()) == sorted(file.name for file in files)
    stored = json.loads(files[0].read_text())
    assert stored["scores"][GENERATED] == evaluation.scores[GENERATED]
    lines = files[1].read_text().splitlines()
    assert lines[0] == f"| metric | {TRUE} | {ROUND_TRIP} | {GENERATED} | {SWAPPED} |"
    assert all(any(line.startswith(f"| {name} |") for line in lines) for name in METRICS.values())
    assert f"| chord share | {evaluation.mean(TRUE, 'chord_share'):.3f} |" in files[1].read_text()
    assert files[2].read_bytes()[1:4] == b"PNG"


def test_one_song_has_no_mix_to_swap(songs, build_pipeline):
    for file in (songs / "song_3").iterdir():
        file.unlink()
    with pytest.raises(ValueError, match="at least 2"):
        evaluate_pipeline(build_pipeline(), songs)


def test_a_metric_that_no_song_has_has_no_mean():
    evaluation = Evaluation(["a"], {GENERATED: [dict.fromkeys(METRICS)]}, [], {})
    assert evaluation.mean(GENERATED, "register") is None
    assert "| register, MIDI | - |" in evaluation.table()
