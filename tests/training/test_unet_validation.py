"""The velocity error asks every net, every condition and every length of pieces the same questions."""

import numpy as np
import pytest
import torch

from latentstem import CosineDDIMScheduler
from latentstem.training.latents import LatentTrack
from latentstem.training.unet_validation import velocity_errors

TIMESTEPS = (100, 900)


class Deaf:
    """Hears no mix, and answers with a part of what it is given."""

    device = torch.device("cpu")

    def __init__(self):
        self.heard = []

    def __call__(self, noisy, timesteps, conditions, return_dict):
        self.heard.append((noisy, timesteps, conditions.get("mix")))
        return (0.5 * noisy,)


class Hearing(Deaf):
    """Takes the mix for the stem, and so finds the noise and the velocity, at the schedule's own rates."""

    def __call__(self, noisy, timesteps, conditions, return_dict):
        super().__call__(noisy, timesteps, conditions, return_dict)
        stem = conditions.get("mix", torch.zeros_like(noisy))
        alpha = CosineDDIMScheduler().alphas_cumprod[timesteps][:, None, None]
        noise = (noisy - alpha.sqrt() * stem) / (1 - alpha).sqrt()
        return (alpha.sqrt() * noise - (1 - alpha).sqrt() * stem,)


def tracks(lengths=(24, 24, 30), same=False):
    made = []
    for length in lengths:
        stem = torch.randn(4, length)
        mixes = torch.stack([stem if same else torch.randn(4, length)] * 2)
        made.append(LatentTrack("song", stem, {"mix": mixes}))
    return made


def test_errors_are_those_of_a_loop_over_tracks():
    net, songs, scheduler = Deaf(), tracks(), CosineDDIMScheduler()
    errors = velocity_errors(net, scheduler, songs, TIMESTEPS)
    for row, timestep in enumerate(TIMESTEPS):
        noisy, steps, _ = net.heard[3 * row]
        assert steps.tolist() == [timestep] * 3
        signal = scheduler.alphas_cumprod[timestep].sqrt()
        rate = (1 - signal**2).sqrt()
        for number, song in enumerate(songs):
            stem = song.stem[:, :24]
            noise = (noisy[number] - signal * stem) / rate
            expected = (0.5 * noisy[number] - (signal * noise - rate * stem)).square().mean()
            assert errors["mix"][row, number] == pytest.approx(float(expected), rel=1e-3)


def test_a_net_that_hears_is_told_from_a_deaf_one():
    deaf = velocity_errors(Deaf(), CosineDDIMScheduler(), tracks(same=True), TIMESTEPS)
    assert np.array_equal(deaf["mix"], deaf["swapped"]) and np.array_equal(deaf["mix"], deaf["none"])
    hearing = velocity_errors(Hearing(), CosineDDIMScheduler(), tracks(same=True), TIMESTEPS)
    assert hearing["mix"].max() < 1e-4 < 0.5 < hearing["none"].min() < hearing["swapped"].mean()


def test_the_swapped_mix_is_the_next_tracks():
    net, songs = Deaf(), tracks()
    velocity_errors(net, CosineDDIMScheduler(), songs, [500])
    mix, none, swapped = (heard for _, _, heard in net.heard)
    assert none is None
    for number, song in enumerate(songs):
        assert torch.equal(mix[number], song.mixes[0, :, :24])
        assert torch.equal(swapped[number - 1], song.mixes[0, :, :24])


def test_pieces_are_cut_from_the_same_noise_and_averaged_by_track():
    whole, cut = Deaf(), Deaf()
    songs = tracks()
    errors = velocity_errors(whole, CosineDDIMScheduler(), songs, TIMESTEPS)
    pieces = velocity_errors(cut, CosineDDIMScheduler(), songs, TIMESTEPS, frames=8)
    for (noisy, _, _), (noisy_pieces, _, _) in zip(whole.heard, cut.heard, strict=True):
        assert noisy_pieces.shape == (9, 4, 8)
        assert torch.equal(torch.cat(list(noisy_pieces[3:6]), dim=-1), noisy[1])
    # A net that works frame by frame cannot tell pieces from wholes.
    assert np.allclose(errors["mix"], pieces["mix"], rtol=1e-4)
    rest = velocity_errors(Deaf(), CosineDDIMScheduler(), songs, TIMESTEPS, frames=23)
    assert rest["mix"].shape == (2, 3) and not np.allclose(rest["mix"], errors["mix"], rtol=1e-4)


def test_two_calls_draw_the_same_noise():
    songs = tracks()
    first, again = (velocity_errors(Deaf(), CosineDDIMScheduler(), songs, TIMESTEPS) for _ in range(2))
    assert all(np.array_equal(first[name], again[name]) for name in first)


@pytest.mark.parametrize(("lengths", "frames"), [((24,), None), ((24, 24), 25)])
def test_what_cannot_be_compared_is_refused(lengths, frames):
    with pytest.raises(ValueError, match="expected two or more"):
        velocity_errors(Deaf(), CosineDDIMScheduler(), tracks(lengths), TIMESTEPS, frames)
