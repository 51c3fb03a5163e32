"""The noise bank: noise of the predicted level in each band, the same for a piece as for the whole."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from latentstem.audio.fourier import istft, stft
from latentstem.nn.noise import PERIOD, NoiseBank


def bank(bands=32, audio_channels=1):
    torch.manual_seed(0)
    return NoiseBank(8, 44100, 2048, 512, bands, audio_channels)


@given(st.integers(0, 3 * PERIOD), st.integers(1, 20))
def test_a_piece_has_the_noise_of_the_whole(start, frames):
    net = bank()
    hidden = torch.ones(1, start + frames, 8)
    whole, _ = net(hidden)
    piece, _ = net(hidden[:, start:], start_frame=start)
    assert torch.allclose(piece, whole[..., start:], rtol=1e-5, atol=1e-8)


@torch.no_grad()
def test_its_signal_has_the_level_in_its_band_and_loses_nothing_in_the_overlap():
    net = bank()
    torch.nn.init.zeros_(net.level.weight)
    net.level.bias.fill_(-12.0)
    net.level.bias[16:18] = -2.0  # two neighbours: flat between their centres
    (real, imaginary), level = net(torch.zeros(1, 2 * PERIOD, 8))
    spectrum = stft(istft(torch.complex(real, imaginary), 2048, 512), 2048, 512)
    power = spectrum.abs().square().mean((0, 1, 3))
    inside = level[0, 0, :, 0] > 0.9 * level.max()
    assert inside.sum() > 20
    # Within a decibel of what was asked for, where frames that do not fit would lose three.
    assert 10 * torch.log10(power[inside].mean() / level.square()[0, 0, inside, 0].mean()) == pytest.approx(0, abs=1.0)
    assert power[: int(inside.nonzero()[0]) - 40].max() < 1e-4 * power[inside].mean()


def test_the_two_channels_of_stereo_have_noises_of_their_own():
    frames, level = bank(audio_channels=2)(torch.ones(1, 50, 8))
    assert frames.shape == (2, 1, 2, 1025, 50) and level.shape == (1, 2, 1025, 50)
    left, right = (torch.complex(*frames[:, 0, channel]) for channel in (0, 1))
    coherence = (left * right.conj()).mean().abs() / (left.abs().square().mean() * right.abs().square().mean()).sqrt()
    assert coherence < 0.05


def test_levels_learn():
    net = bank()
    hidden = torch.randn(1, 4, 8, requires_grad=True)
    frames, _ = net(hidden)
    frames.square().sum().backward()
    assert net.level.weight.grad.abs().sum() > 0 and hidden.grad.abs().sum() > 0


def test_levels_are_interpolated_evenly_on_the_mel_scale():
    """A level that grows evenly over the bands grows evenly in mel over the bins, from 0 Hz to half the rate."""
    net = bank()
    with torch.no_grad():
        net.level.weight.zero_()
        net.level.bias.copy_(torch.linspace(-9.0, -3.0, 32))
        _, level = net(torch.zeros(1, 1, 8))
    for bin_, found in enumerate(level[0, 0, :, 0].log().tolist()):
        mel = math.log(1 + bin_ * 44100 / 2048 / 700) / math.log(1 + 22050 / 700)
        assert found == pytest.approx(-9.0 + 6.0 * mel, abs=1e-3)


def test_the_noise_has_the_power_of_one_and_begins_quiet():
    frames, level = NoiseBank(8, 44100, 2048, 512)(torch.randn(1, PERIOD, 8))
    power = (frames.square().sum(0) / level.square()).mean()
    assert power.item() == pytest.approx(1, abs=0.01)
    assert level.log().mean().item() == pytest.approx(-13, abs=0.5) and level.log().std() < 0.5
    assert NoiseBank(8, 44100, 2048, 512).bands == 96


def test_the_noise_is_drawn_and_not_saved():
    net = bank()
    assert sorted(net.state_dict()) == ["level.bias", "level.weight"]
    assert torch.equal(net.noise, bank().noise)
