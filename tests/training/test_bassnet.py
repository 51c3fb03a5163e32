"""The training of BassNet: its windows, its loss, and that a control comes to mean a pattern."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
import torch

from latentstem import BassNetModel, BassNetPipeline, write_audio
from latentstem.audio.multi_resolution import MultiResolutionWindows
from latentstem.data.compose.composer import compose
from latentstem.data.score import Note, Section
from latentstem.training.bassnet import (
    BassNetTraining,
    bassnet_loss,
    measure_normalizations,
    train,
    validation_errors,
    validation_places,
)
from latentstem.training.bassnet_targets import BassTargets
from latentstem.training.bassnet_windows import (
    BassNetTrack,
    BassNetWindows,
    cache_spectrograms,
    compress_windows,
)

WINDOWS = MultiResolutionWindows(4, 8)
SMALL = {"bins": 24, "channels": 8, "blocks": 2, "control_blocks": 1}


def counting_track(steps=60, bins=24, variants=2):
    """A track whose values say which step and which mix they are of."""
    time = torch.arange(steps).float().expand(bins, -1)
    mixes = torch.stack([time + 1000 * variant for variant in range(variants)])
    return BassNetTrack("song", mixes, time + 0.5, BassTargets(torch.arange(steps) % bins, time[0] / 100, time[0] / 50))


def test_neighbours_are_windows_of_one_track_and_one_mix_a_few_seconds_apart():
    drawn = BassNetWindows([counting_track(steps=2000)], WINDOWS, batch_size=8, neighbour_seconds=1.0, seed=3)
    seen = []
    for step in range(40):
        batch = drawn.batch(step)
        variants = batch.mix[:, 0, 0, 0] - batch.bass[:, 0, 0, 0]  # about 0 or 1000
        torch.testing.assert_close(*variants.chunk(2))
        own, near = batch.bass[:, 0, 0, 0].chunk(2)
        seen += (own - near).abs().tolist()
        torch.testing.assert_close(drawn.partners[drawn.partners], torch.arange(8))
    assert max(seen) <= 100 and np.mean(seen) > 25


def test_a_group_is_windows_of_one_track_and_each_has_a_partner_in_it():
    tracks = [counting_track(steps=2000), counting_track(steps=1500)]
    tracks[1].bass.add_(10_000)
    drawn = BassNetWindows(tracks, WINDOWS, batch_size=12, neighbour_seconds=1.0, seed=3, group=4)
    assert drawn.groups.tolist() == 4 * [0, 1, 2]
    assert torch.equal(drawn.groups[drawn.partners], drawn.groups)
    assert (drawn.partners != torch.arange(12)).all()
    for step in range(10):
        first, *others = drawn.batch(step).bass[:, 0, 0, 0].view(4, 3)
        for other in others:
            assert (other - first).abs().max() <= 100  # windows of the other track are 10 000 away


def test_windows_hold_what_their_track_has_at_their_time():
    track = counting_track(bins=264)
    batch = compress_windows(WINDOWS, [(track, 1, 10), (track, 0, -4)])
    assert batch.mix.shape == batch.bass.shape == batch.target["f0"].shape == (2, 2, 4, 264)
    # The finest resolution is the middle of the window, the coarsest its means; before the track the first step stays.
    assert batch.mix[0, 0, :, 7].tolist() == [1012.0, 1013.0, 1014.0, 1015.0]
    assert batch.bass[0, 1, :, 7].tolist() == [11.0, 13.0, 15.0, 17.0]
    assert batch.mix[1, 1, :, 0].tolist() == [0.0, 0.0, 0.5, 2.5]
    assert batch.target["f0"][0, 0].argmax(-1).tolist() == [12, 13, 14, 15]
    torch.testing.assert_close(batch.target["onset"][0, 0], torch.tensor([0.12, 0.13, 0.14, 0.15]))
    torch.testing.assert_close(batch.target["level"][0, 1], torch.tensor([0.21, 0.25, 0.29, 0.33]))


@pytest.mark.parametrize("semitones", [-7, -1, 0, 2, 5])
def test_a_transposed_window_is_that_of_a_transposed_track(semitones):
    tracked = counting_track(bins=264)
    values = torch.randn(2, 264, 60)
    f0 = torch.where(torch.arange(60) % 7 == 0, -1, 5 * torch.arange(60) - 20).clamp(-1, 263)
    track = BassNetTrack("song", values[:1], values[1], BassTargets(f0, tracked.targets.onset, tracked.targets.level))
    (own, moved) = (compress_windows(WINDOWS, [(track, 0, 10)], transpositions=given) for given in (None, [semitones]))
    bins = 3 * semitones
    kept = slice(max(bins, 0), 264 + min(bins, 0))
    source = slice(max(-bins, 0), 264 - max(bins, 0))
    for name in ("mix", "bass"):
        before, after = getattr(own, name), getattr(moved, name)
        torch.testing.assert_close(after[..., kept], before[..., source])
        beyond = torch.cat([after[..., : kept.start], after[..., kept.stop :]], -1)
        assert beyond.numel() == 0 or (beyond <= before.min() + 1).all()
    # A pitch moves with its spectrum, and there is none where it has left.
    torch.testing.assert_close(moved.target["f0"][..., kept], own.target["f0"][..., source])
    assert moved.target["f0"].sum() == own.target["f0"][..., source].sum()
    assert torch.equal(moved.target["onset"], own.target["onset"])


def test_neighbours_are_transposed_alike_and_all_ways_within_reach():
    drawn = BassNetWindows([counting_track(steps=400, bins=264)], WINDOWS, batch_size=4, transpose=2, seed=1)
    shifts = set()
    for step in range(60):
        batch = drawn.batch(step)
        pitch = batch.target["f0"][:, 0, 0]
        moved = pitch.argmax(-1) - batch.bass[:, 0, 0, 100].int() % 264
        for own, near in zip(*moved.where(pitch.sum(-1) > 0, 1000).chunk(2), strict=True):
            assert own == near or 1000 in (own, near)  # where the pitch has left the range there is none
            shifts |= {int(own), int(near)} - {1000}
    assert shifts == {-6, -3, 0, 3, 6}


def test_a_batch_is_a_function_of_seed_and_step():
    tracks = [counting_track(), counting_track(90)]
    one, other = (BassNetWindows(tracks, WINDOWS, 4, seed=5) for _ in range(2))
    for step in range(3):
        one.batch(step)
    assert torch.equal(one.batch(3).mix, other.batch(3).mix)
    assert not torch.equal(one.batch(0).mix, BassNetWindows(tracks, WINDOWS, 4, seed=6).batch(0).mix)


@pytest.mark.parametrize("size", [1, 3])
def test_odd_batches_are_refused(size):
    with pytest.raises(ValueError, match="groups of neighbours, at least 2 each, divide"):
        BassNetWindows([counting_track()], WINDOWS, size)


def test_the_loss_is_the_weighted_sum_of_its_terms():
    torch.manual_seed(0)
    model = BassNetModel(resolutions=2, steps=4, **SMALL).eval()
    batch = compress_windows(WINDOWS, [(counting_track(), 0, start) for start in (3, 20)])
    batch.target["f0"] = batch.target["f0"][..., :24]
    partners = torch.tensor([1, 0])
    output = model(batch.mix, batch.bass, partners)
    loss, terms = bassnet_loss(output, batch.target, partners, divergence_weight=0.1)
    weights = {"cross_divergence": 0.1, "divergence": 0.1}
    torch.testing.assert_close(loss, sum(weights.get(name, 1.0) * term for name, term in terms.items()))
    assert "cross_divergence" not in bassnet_loss(model(batch.mix, batch.bass), batch.target)[1]


def test_normalizations_are_those_of_the_weights_of_now():
    torch.manual_seed(0)
    model = BassNetModel(resolutions=2, steps=4, **SMALL)
    batch = compress_windows(WINDOWS, [(counting_track(), 0, start) for start in range(0, 48, 4)])
    for layer in model.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.running_mean.fill_(50.0)
    measure_normalizations(model, iter([batch, batch]))
    assert not model.training
    with torch.no_grad():
        trained = model.train()(batch.mix, batch.bass).mean
        torch.testing.assert_close(model.eval()(batch.mix, batch.bass).mean, trained, rtol=0.2, atol=0.1)


def test_validation_covers_all_tracks_and_averages_over_windows():
    tracks = [counting_track(bins=264), counting_track(90, bins=264)]
    places = validation_places(tracks, WINDOWS, count=6)
    assert [place[0] for place in places] == [tracks[0]] * 3 + [tracks[1]] * 3
    torch.manual_seed(0)
    model = BassNetModel(resolutions=2, steps=4, channels=8, blocks=2, control_blocks=1).eval()
    whole, parts = (validation_errors(model, WINDOWS, places, size) for size in (6, 4))
    assert whole == pytest.approx(parts, rel=1e-4) and whole["validation_loss"] > whole["f0"] > 0
    assert validation_errors(model, WINDOWS, []) == {}


@pytest.fixture(scope="module")
def stems(tmp_path_factory):
    """Two tracks of a chord and a bass an octave below its root, or a fifth above that."""
    root = tmp_path_factory.mktemp("stems")
    time = torch.arange(32000) / 16000
    for name, root_hz, ratio in (("a", 220.0, 0.5), ("b", 262.0, 0.75)):
        (root / name).mkdir()
        for stem, frequencies in (("bass", [root_hz * ratio]), ("keys", [root_hz, 1.25 * root_hz, 1.5 * root_hz])):
            tone = sum(torch.sin(2 * torch.pi * hz * time) for hz in frequencies)
            write_audio(root / name / f"{stem}.wav", 0.2 * tone[None], 16000)
    return root


def test_spectrograms_are_computed_once_and_describe_the_stems(stems, tmp_path):
    tracks = cache_spectrograms(stems, "bass", tmp_path, submixes=2)
    assert [track.name for track in tracks] == ["a", "b"] and tracks[0].mixes.shape == (2, 264, 200)
    # 110 Hz is two octaves above the lowest bin.
    assert tracks[0].bass[:, 100].argmax() == 72 and tracks[0].targets.f0[100] == 72
    files = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*.safetensors")}
    again = cache_spectrograms(stems, "bass", tmp_path, submixes=2)
    assert torch.equal(again[1].mixes, tracks[1].mixes)
    assert files == {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*.safetensors")}


def test_a_training_publishes_a_pipeline_and_resumes(stems, tmp_path):
    settings = BassNetTraining(
        stems, tmp_path, validation=stems, steps=4, validations=2, batch_size=4, mixed_precision="no",
        model={"channels": 8, "blocks": 2, "control_blocks": 1, "patch_size": [4, 3]}, compressed=8, expanded=16,
    )  # fmt: skip
    folder = train(settings)
    pipe = BassNetPipeline.from_pretrained(folder)
    assert pipe.windows == MultiResolutionWindows(8, 16)
    assert len((tmp_path / "history.jsonl").read_text().splitlines()) == 2
    train(dataclasses.replace(settings, steps=6))
    assert len((tmp_path / "history.jsonl").read_text().splitlines()) == 3


def test_a_training_begins_with_drawn_controls_and_publishes_the_best_net_of_the_second_part(stems, tmp_path):
    settings = BassNetTraining(
        stems, tmp_path, validation=stems, steps=4, validations=4, batch_size=4, mixed_precision="no", draws=2,
        draws_share=0.5,
        model={"channels": 8, "blocks": 2, "control_blocks": 1, "patch_size": [4, 3]}, compressed=8, expanded=16,
    )  # fmt: skip
    train(settings)
    first, second, *later = [json.loads(line) for line in (tmp_path / "history.jsonl").read_text().splitlines()]
    for record in (first, second):
        assert "wake_error" in record and "early_validation_loss" in record and "validation_loss" not in record
    assert all("validation_loss" in record for record in later)


@pytest.mark.parametrize("wrong", [{"draws": -1}, {"draws": 2, "draws_share": 1.5}, {"draws": 2, "batch_size": 6}])
def test_draws_that_cannot_be_are_refused_before_anything_is_read(tmp_path, wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        train(BassNetTraining(tmp_path / "nothing", tmp_path / "run", **wrong))
    assert not (tmp_path / "run").exists()


def test_a_training_measures_where_the_patterns_of_annotated_tracks_lie(stems, tmp_path):
    root = tmp_path / "data"
    shutil.copytree(stems, root)
    for name, styles in (("a", ("deep", "")), ("b", ("fifth", "deep"))):
        song = compose(3, duration=2.0)
        sections = [Section(0.0, 1.5, "verse", styles[0]), Section(1.5, 2.0, "verse", styles[1])]
        note = Note(0.0, 2.0, 45, 80)
        part = dataclasses.replace(song.part("bass"), notes=(note,))
        song = dataclasses.replace(song, sections=tuple(sections), parts=(part,))
        (root / name / "song.json").write_text(json.dumps({"song": song.to_dict()}))
    settings = BassNetTraining(
        root, tmp_path / "run", steps=2, batch_size=4, mixed_precision="no",
        model={"channels": 8, "blocks": 2, "control_blocks": 1, "patch_size": [4, 3]}, compressed=8, expanded=16,
    )  # fmt: skip
    pipe = BassNetPipeline.from_pretrained(train(settings))
    tracks = cache_spectrograms(root, "bass", settings.output / "spectrograms")
    assert set(pipe.patterns) == {"deep", "fifth"}
    # Windows with the seam of two sections in them count for neither; the middles of the others tell whose they are.
    starts = {track.name: [] for track in tracks}
    for track, _, start in validation_places(tracks, pipe.windows, 2000):
        starts[track.name].append(start)
    fifth = [start for start in starts["b"] if start + 16 <= 150]
    deep = [("a", start) for start in starts["a"] if start + 16 <= 150] + [
        ("b", start) for start in starts["b"] if start >= 150
    ]
    assert pipe.patterns["fifth"].share == pytest.approx(len(fifth) / (len(fifth) + len(deep)), abs=1e-4)
    batch = compress_windows(pipe.windows, [(tracks[1], 0, start) for start in fifth])
    mean = pipe.model.encode(batch.mix, batch.bass).mean.mean(0).detach()
    np.testing.assert_allclose(pipe.patterns["fifth"].mean, mean, atol=1e-3)


def test_a_training_goes_on_from_published_weights(stems, tmp_path):
    settings = BassNetTraining(
        stems, tmp_path / "first", steps=2, validations=1, batch_size=2, mixed_precision="no", learning_rate=0.0,
        model={"channels": 8, "blocks": 1, "control_blocks": 0, "patch_size": [4, 12]}, compressed=8, expanded=16,
    )  # fmt: skip
    first = BassNetPipeline.from_pretrained(train(settings))
    settings = dataclasses.replace(settings, output=tmp_path / "second", init_from=tmp_path / "first" / "pipeline")
    second = BassNetPipeline.from_pretrained(train(dataclasses.replace(settings, model=None, compressed=40)))
    assert second.windows == first.windows
    for name, weight in first.model.named_parameters():
        torch.testing.assert_close(second.model.get_parameter(name), weight)


def test_bassnet_trains_in_bfloat16(stems, tmp_path):
    # Accelerate makes the outputs of the net anew there.
    settings = BassNetTraining(
        stems, tmp_path, steps=1, batch_size=2, mixed_precision="bf16",
        model={"channels": 8, "blocks": 1, "control_blocks": 0, "patch_size": [4, 12]}, compressed=8, expanded=8,
    )  # fmt: skip
    assert BassNetPipeline.from_pretrained(train(settings)).model.config.channels == 8


def test_patience_ends_a_training_that_does_not_improve(stems, tmp_path):
    settings = BassNetTraining(
        stems, tmp_path, validation=stems, steps=30, validations=30, batch_size=2, mixed_precision="no", patience=2,
        learning_rate=0.0, model={"channels": 8, "blocks": 1, "control_blocks": 0, "patch_size": [4, 12]},
        compressed=8, expanded=8,
    )  # fmt: skip
    train(settings)
    assert len((tmp_path / "history.jsonl").read_text().splitlines()) < 15
