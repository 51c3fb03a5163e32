"""Any part of the songs can be the target: one corpus, read, checked and validated for the drums."""

import numpy as np
import pytest
import torch

from latentstem.data.compose.composer import compose
from latentstem.data.compose.timbre_pairs import compose_timbre_pair
from latentstem.data.corpus import read_annotation, write_corpus
from latentstem.data.corpus_stream import BandStream
from latentstem.data.render.fluidsynth import render_parts
from latentstem.data.score import Note, Part
from latentstem.data.stems.check import check_folder
from latentstem.data.stems.crops import StemCrops
from latentstem.data.stems.folder import StemFolder
from latentstem.evaluation.pipeline import GENERATED, TRUE, evaluate_pipeline
from latentstem.evaluation.scores import METRICS, UNPITCHED, written_onsets
from latentstem.guidance.style_space import StyleSpace
from latentstem.training.latents import cache_latents
from latentstem.training.style_space import StyleFit, fit
from latentstem.training.unet_validation import UNetValidation, onset_f1s

pytestmark = pytest.mark.fluidsynth
SECONDS = 4.0


@pytest.fixture(scope="module")
def seeds():
    """Seeds of three songs with drums and one without."""
    songs = {seed: compose(seed, SECONDS) for seed in range(60)}
    playing = [seed for seed, song in songs.items() if "drums" in song.names and len(song.part("drums").notes) > 8]
    return [*playing[:3], next(seed for seed, song in songs.items() if "drums" not in song.names)]


@pytest.fixture(scope="module")
def corpus(seeds, tmp_path_factory):
    root = tmp_path_factory.mktemp("corpus")
    write_corpus(root, seeds, ("timgm6mb",), SECONDS, workers=1)
    return root


@pytest.fixture
def autoencoder(build_pipeline):
    return build_pipeline().autoencoder


def test_a_corpus_is_checked_and_read_for_its_drums(corpus, seeds):
    report = check_folder(corpus, "drums")
    assert (report.target, report.tracks, report.usable) == ("drums", 4, 3)
    assert report.sounding > 0.3
    folder = StemFolder(corpus, "drums")
    assert folder.skipped == (f"song_{seeds[-1]:06d}",)
    mix, stem = StemCrops(folder, 44100, seed=1)[0]
    assert stem.any() and mix.any() and not torch.equal(mix, stem)


def test_a_net_is_validated_by_the_onsets_of_the_drums(corpus, build_pipeline, tmp_path):
    pipe = build_pipeline()
    latents = cache_latents(corpus, "drums", pipe.autoencoder, tmp_path / "cache", submixes=1, seed=0)
    basses = cache_latents(corpus, "bass", pipe.autoencoder, tmp_path / "cache", submixes=1, seed=0)
    assert len(latents) == 3 and len(basses) == 4
    (bass,) = (track for track in basses if track.name == latents[0].name)
    assert not torch.equal(bass.stem, latents[0].stem)  # one cache, two targets
    validation = UNetValidation(corpus, "drums", pipe.autoencoder, pipe.scheduler, latents)
    metrics = validation(pipe.unet, tmp_path / "preview")
    assert metrics.keys() == {"onset_f1", "prediction_error", "prediction_error_swapped"}
    assert 0 <= metrics["onset_f1"] <= 1 and metrics["prediction_error"] > 0


def test_drums_are_scored_by_their_rhythm_alone(corpus, build_pipeline):
    evaluation = evaluate_pipeline(build_pipeline(), corpus, target="drums", num_inference_steps=1)
    assert len(evaluation.tracks) == 3
    for score in evaluation.scores[TRUE] + evaluation.scores[GENERATED]:
        assert {measure for measure in METRICS if score[measure] is not None} <= set(UNPITCHED)
    # The detector is tuned to basses, and misses many soft cymbals beside loud drums.
    assert evaluation.mean(TRUE, "onset_f1") > 0.5


def test_drums_are_held_against_their_own_song(corpus):
    tracks = StemFolder(corpus, "drums").tracks
    stems = torch.stack([track.read("drums") for track in tracks])
    written = [written_onsets(read_annotation(corpus / track.name).part("drums")) for track in tracks]
    own, others = (np.mean(onset_f1s(stems, 44100, onsets)) for onsets in (written, [*written[1:], written[0]]))
    assert own > others + 0.15


def test_the_style_space_is_fitted_to_the_programs_of_the_target(corpus, autoencoder, tmp_path, monkeypatch):
    class Taken(Exception):
        pass

    def take(means, instruments, dimensions):
        raise Taken(instruments)

    monkeypatch.setattr(StyleSpace, "fit", take)
    autoencoder.save_pretrained(tmp_path / "autoencoder")
    with pytest.raises(Taken) as taken:
        fit(StyleFit(corpus, tmp_path / "autoencoder", "drums"))
    kits = [read_annotation(corpus / track.name).part("drums").program for track in StemFolder(corpus, "drums").tracks]
    assert taken.value.args[0] == [(kit, "timgm6mb") for kit in kits]


@pytest.mark.parametrize("target", ["drums", "lead", "voice", "chords1"])
def test_timbre_pairs_are_of_a_named_part(tmp_path, target):
    for seed in range(40):
        song, pair = compose(seed, 3.0), compose_timbre_pair(seed, 3.0, target)
        part, partner = pair.parts
        assert (part.name, partner.notes, partner.is_drum) == (target, part.notes, part.is_drum)
        assert partner.name != target
        assert partner.program != part.program
        assert part == song.part(target) if target in song.names else not part.notes
    playing = [seed for seed in range(40) if compose_timbre_pair(seed, 3.0, target).part(target).notes]
    root = tmp_path / "pairs"
    write_corpus(
        root, playing[:1], ("timgm6mb",), 3.0, 1, lambda seed, seconds: compose_timbre_pair(seed, seconds, target)
    )
    (track,) = StemFolder(root, target).tracks
    part, partner = (track.read(stem).numpy() for stem in (target, *(track.files.keys() - {target})))
    assert part.any() and partner.any() and np.corrcoef(part, partner)[0, 1] < 0.98


def test_songs_without_the_target_are_passed_over_in_a_stream():
    without = [seed for seed in range(60) if "lead" not in compose(seed, 2.0).names]
    having = next(seed for seed in range(60) if seed not in without and len(compose(seed, 2.0).part("lead").notes) > 2)
    options = {"seeds": [*without[:3], having], "duration": 2.0, "soundfonts": ("timgm6mb",), "crops_per_song": 1}
    stream = BandStream(8192, target="lead", rest_share=0.0, **options)
    for index in range(3):
        ((mix, stem),) = stream.crops(index)
        assert stem.any() and mix.any()


def test_two_kits_are_rendered_side_by_side():
    notes = tuple(Note(0.25 * beat, 0.25 * beat + 0.2, 38, 100) for beat in range(4))
    bass = Part("bass", 33, False, (Note(0.0, 1.0, 40, 100),), 0.0)
    first, second = Part("drums", 0, True, notes, 0.0), Part("other", 25, True, notes, 0.0)
    together = render_parts([first, bass, second], "timgm6mb", 1.0)
    assert np.array_equal(together[2], render_parts([second], "timgm6mb", 1.0)[0])
    assert np.array_equal(together[0], render_parts([first, bass], "timgm6mb", 1.0)[0])
    assert not np.array_equal(together[0], together[2])


def test_a_chord_begins_once_and_every_note_of_a_line():
    line = tuple(Note(0.02 * order, 0.02 * order + 0.015, 40, 90) for order in range(5))
    assert written_onsets(Part("bass", 33, False, line, 0.0)).tolist() == [note.start for note in line]
    roll = tuple(Note(0.02 * order, 1.0, 60 + order, 90) for order in range(5))
    # 0.04 lies beyond 30 ms of the first note, 0.06 within 30 ms of that, and so on.
    assert written_onsets(Part("chords1", 0, False, roll, 0.0)).tolist() == [0.0, 0.04, 0.08]
    assert written_onsets(Part("bass", 33, False, (), 0.0)).tolist() == []
