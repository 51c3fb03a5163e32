"""The prediction error compares nets, conditions and piece lengths on equal noise."""

import numpy as np
import pytest
import soundfile
import torch

from latentstem import CosineDDIMScheduler
from latentstem.data.stems.folder import StemFolder
from latentstem.training import unet_validation
from latentstem.training.latents import LatentTrack
from latentstem.training.unet_validation import UNetValidation, accompany, prediction_errors

TIMESTEPS = (100, 900)


class Unconditioned:
    """Ignores the mix, predicts a part of the noisy latents, and records its inputs."""

    device = torch.device("cpu")

    def __init__(self):
        self.calls = []

    def __call__(self, noisy, timesteps, conditions, return_dict):
        self.calls.append((noisy, timesteps, conditions.get("mix")))
        return (0.5 * noisy,)


class Conditioned(Unconditioned):
    """Takes the mix for the stem, and computes the noise and the velocity from it at the rates of the schedule."""

    def __call__(self, noisy, timesteps, conditions, return_dict):
        super().__call__(noisy, timesteps, conditions, return_dict)
        stem = conditions.get("mix", torch.zeros_like(noisy))
        alpha = CosineDDIMScheduler().alphas_cumprod[timesteps][:, None, None]
        noise = (noisy - alpha.sqrt() * stem) / (1 - alpha).sqrt()
        return (alpha.sqrt() * noise - (1 - alpha).sqrt() * stem,)


def tracks(lengths=(24, 24, 30), same=False):
    latents = []
    for length in lengths:
        stem = torch.randn(4, length)
        mixes = torch.stack([stem if same else torch.randn(4, length)] * 2)
        latents.append(LatentTrack("song", stem, {"mix": mixes}))
    return latents


def test_errors_are_those_of_a_loop_over_tracks():
    net, songs, scheduler = Unconditioned(), tracks(), CosineDDIMScheduler()
    errors = prediction_errors(net, scheduler, songs, TIMESTEPS)
    for row, timestep in enumerate(TIMESTEPS):
        noisy, steps, _ = net.calls[3 * row]
        assert steps.tolist() == [timestep] * 3
        signal = scheduler.alphas_cumprod[timestep].sqrt()
        rate = (1 - signal**2).sqrt()
        for index, song in enumerate(songs):
            stem = song.stem[:, :24]
            noise = (noisy[index] - signal * stem) / rate
            expected = (0.5 * noisy[index] - (signal * noise - rate * stem)).square().mean()
            assert errors["mix"][row, index] == pytest.approx(float(expected), rel=1e-3)


def test_a_net_that_is_conditioned_on_the_mix_is_told_from_one_that_ignores_it():
    ignoring = prediction_errors(Unconditioned(), CosineDDIMScheduler(), tracks(same=True), TIMESTEPS)
    assert np.array_equal(ignoring["mix"], ignoring["swapped"]) and np.array_equal(ignoring["mix"], ignoring["none"])
    conditioned = prediction_errors(Conditioned(), CosineDDIMScheduler(), tracks(same=True), TIMESTEPS)
    assert conditioned["mix"].max() < 1e-4 < 0.5 < conditioned["none"].min() < conditioned["swapped"].mean()


def test_a_net_is_measured_alone_with_its_mix_where_it_is_given_more():
    class Steered(Unconditioned):
        def __call__(self, noisy, timesteps, conditions, return_dict):
            super().__call__(noisy, timesteps, conditions, return_dict)
            return (noisy * (0.5 if "beat" in conditions else 0.25),)

    def measure(net, songs):
        return prediction_errors(net, CosineDDIMScheduler(), songs, TIMESTEPS)

    songs = tracks()
    steered = [
        LatentTrack(song.name, song.stem, song.frames | {"beat": torch.zeros(1, 1, song.stem.shape[-1])})
        for song in songs
    ]
    errors, unsteered = measure(Steered(), steered), measure(Steered(), songs)
    assert np.array_equal(errors["alone"], unsteered["mix"]) and not np.array_equal(errors["alone"], errors["mix"])
    assert "alone" not in unsteered


def test_the_swapped_mix_is_the_next_tracks():
    net, songs = Unconditioned(), tracks()
    prediction_errors(net, CosineDDIMScheduler(), songs, [500])
    mix, none, swapped = (condition for _, _, condition in net.calls)
    assert none is None
    for index, song in enumerate(songs):
        assert torch.equal(mix[index], song.mixes[0, :, :24])
        assert torch.equal(swapped[index - 1], song.mixes[0, :, :24])


def test_pieces_are_cut_from_the_same_noise_and_averaged_by_track():
    whole, cut = Unconditioned(), Unconditioned()
    songs = tracks()
    errors = prediction_errors(whole, CosineDDIMScheduler(), songs, TIMESTEPS)
    pieces = prediction_errors(cut, CosineDDIMScheduler(), songs, TIMESTEPS, frames=8)
    for (noisy, _, _), (noisy_pieces, _, _) in zip(whole.calls, cut.calls, strict=True):
        assert noisy_pieces.shape == (9, 4, 8)
        assert torch.equal(torch.cat(list(noisy_pieces[3:6]), dim=-1), noisy[1])
    # A net that works frame by frame cannot tell pieces from wholes.
    assert np.allclose(errors["mix"], pieces["mix"], rtol=1e-4)
    rest = prediction_errors(Unconditioned(), CosineDDIMScheduler(), songs, TIMESTEPS, frames=23)
    assert rest["mix"].shape == (2, 3) and not np.allclose(rest["mix"], errors["mix"], rtol=1e-4)


def test_two_calls_draw_the_same_noise():
    songs = tracks()
    first, again = (prediction_errors(Unconditioned(), CosineDDIMScheduler(), songs, TIMESTEPS) for _ in range(2))
    assert all(np.array_equal(first[name], again[name]) for name in first)


@pytest.mark.parametrize(("lengths", "frames"), [((24,), None), ((24, 24), 25)])
def test_what_cannot_be_compared_is_refused(lengths, frames):
    with pytest.raises(ValueError, match="expected two or more"):
        prediction_errors(Unconditioned(), CosineDDIMScheduler(), tracks(lengths), TIMESTEPS, frames)


def test_stems_are_generated_under_the_conditions_of_their_tracks(tmp_path):
    class Recorder:
        sampling_rate, audio_channels, hop_length = 44100, 1, 4096

        def set_progress_bar_config(self, disable):
            pass

        def __call__(self, mixes, conditions, **options):
            self.mixes, self.conditions = mixes, conditions
            return (torch.zeros(len(mixes), 1, 9),)

    for song in ("a", "b"):
        (tmp_path / song).mkdir()
        for stem in ("bass", "drums"):
            soundfile.write(tmp_path / song / f"{stem}.wav", np.full(44100, 0.1), 44100)
    latents = [
        LatentTrack(
            song, torch.randn(4, 11), {"mix": torch.randn(2, 4, 11), "density": torch.randn(1, 2, 11)}, {"tempo": t}
        )
        for song, t in (("a", torch.tensor([0.3])), ("b", torch.tensor([0.7])))
    ]
    pipeline = Recorder()
    accompany(pipeline, StemFolder(tmp_path).tracks, "bass", seconds=0.5, latents=latents)
    assert sorted(pipeline.conditions) == ["density", "tempo"]  # the mix is encoded by the pipeline itself
    torch.testing.assert_close(pipeline.conditions["tempo"], torch.tensor([[0.3], [0.7]]))
    # Half a second reaches into the sixth frame.
    torch.testing.assert_close(pipeline.conditions["density"][1], latents[1].frames["density"][0, :, :6])
    accompany(pipeline, StemFolder(tmp_path).tracks, "bass", seconds=12.0, latents=latents)
    assert pipeline.conditions["density"].shape == (2, 2, 11)  # no longer than the songs
    assert pipeline.mixes.shape == (2, 1, 11 * 4096)
    accompany(pipeline, StemFolder(tmp_path).tracks, "bass", seconds=0.5)
    assert pipeline.conditions is None


def test_songs_without_annotation_are_judged_by_the_onsets_of_their_true_stems(tmp_path, monkeypatch, build_pipeline):
    time = np.arange(22050) / 44100
    stroke = np.sin(2 * np.pi * 110 * time) * np.exp(-12 * time)
    stems = {"a": np.tile(stroke, 6), "b": np.tile(np.concatenate([stroke, stroke[:11025]]), 4)}
    for song, stem in stems.items():
        (tmp_path / "songs" / song).mkdir(parents=True)
        soundfile.write(tmp_path / "songs" / song / "bass.wav", 0.5 * stem, 44100)
        soundfile.write(tmp_path / "songs" / song / "drums.wav", 0.5 * stem[::-1], 44100)
    played = []  # what the net plays, song after song
    monkeypatch.setattr(unet_validation, "accompany", lambda *_, **__: (played[0], played[0]))
    pipe = build_pipeline()
    validation = UNetValidation(tmp_path / "songs", "bass", pipe.autoencoder, pipe.scheduler, tracks((24,)))
    true = torch.stack([torch.from_numpy(stem[:132_300]).float()[None] for stem in stems.values()])
    for stem, expected in ((true, 1.0), (true.flip(0), 0.6), (torch.zeros_like(true), 0.0)):
        played[:] = [stem]
        metrics = validation(pipe.unet, tmp_path / "preview")
        assert metrics == {"onset_f1": pytest.approx(expected, abs=0.1)}
