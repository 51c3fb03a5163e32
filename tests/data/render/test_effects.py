"""Effects against their definitions."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from latentstem.audio.level import active_rms
from latentstem.data.render.effects import (
    CODECS,
    add_room,
    bandpass,
    compress,
    encode_lossy,
    equalize,
    limit,
    saturate,
)

RATE = 44100


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def noise(*shape, seed=0, level=0.1):
    return level * torch.randn(*shape, generator=seeded(seed))


def decibels(audio):
    return 10 * audio.square().mean(-1).log10()


@pytest.mark.parametrize("over", [-20.0, -3.0, -1.0, 0.0, 2.0, 3.0, 12.0])
@pytest.mark.parametrize("ratio", [1.0, 2.0, 5.0])
def test_the_compressor_follows_its_curve(over, ratio):
    """Steady levels, against the static curve written out by cases."""
    threshold, knee = -26.0, 6.0
    audio = torch.full((1, 1, 8192), 10 ** ((threshold + over) / 20))
    gain = decibels(compress(audio, torch.tensor([threshold]), torch.tensor([ratio]), torch.tensor([100.0])) / audio)
    if 2 * over < -knee:
        expected = 0.0
    elif 2 * over <= knee:
        expected = (1 / ratio - 1) * (over + knee / 2) ** 2 / (2 * knee)
    else:
        expected = over / ratio - over
    assert gain.item() == pytest.approx(expected, abs=0.01)


def test_the_compressor_is_down_when_the_blow_comes_and_lets_go_at_its_pace():
    audio = torch.full((1, 1, 3 * RATE), 0.01)
    audio[..., RATE : RATE + 4410] = 1.0
    threshold, ratio, release = (torch.tensor([value]) for value in (-20.0, 2.0, 20.0))
    gain = decibels((compress(audio, threshold, ratio, release) / audio)[0, 0, :, None])
    assert gain[RATE : RATE + 4400].numpy() == pytest.approx(np.full(4400, -10.0), abs=0.2)
    assert gain[RATE - 1024].item() == pytest.approx(0.0, abs=1e-3)
    # The level falls by 20 dB a second, so the gain rises by 10.
    later = RATE + 4410 + RATE // 2
    assert gain[later].item() == pytest.approx(-5.0, abs=0.2)
    assert gain[-1].item() == pytest.approx(0.0, abs=0.01)


@given(st.integers(1, 30_000), st.floats(-20.0, 30.0), st.integers(0, 2**32))
def test_the_limiter_stays_below_its_ceiling_and_leaves_alone_what_does(samples, gain, seed):
    audio = noise(1, 2, samples, seed=seed)
    limited = limit(audio, torch.tensor([gain]), torch.tensor([100.0]), ceiling=0.8)
    louder = audio * 10 ** (gain / 20)
    assert limited.abs().amax() <= 0.8001
    if louder.abs().amax() <= 0.8:
        torch.testing.assert_close(limited, louder)


def test_the_limiter_lets_go_at_its_pace():
    audio = torch.full((1, 1, 2 * RATE), 0.01)
    audio[..., RATE] = 10.0
    gain = decibels((limit(audio, torch.zeros(1), torch.tensor([40.0]), ceiling=1.0) / audio)[0, 0, :, None])
    assert gain[RATE].item() == pytest.approx(-20.0, abs=0.1) and gain[RATE - 1024].item() == pytest.approx(0, abs=1e-3)
    assert gain[RATE + RATE // 4].item() == pytest.approx(-10.0, abs=0.5)


@pytest.mark.parametrize("codec", sorted(CODECS))
def test_codecs_lose_more_when_they_compress_more_and_delay_nothing(codec):
    audio = 0.3 * torch.sin(torch.arange(3 * RATE) / 20).repeat(2, 1, 1) + noise(2, 1, 3 * RATE, level=0.03)
    errors = []
    for compression in (0.0, 0.9):
        coded = encode_lossy(audio, codec, compression)
        assert coded.shape == audio.shape and coded.dtype == audio.dtype
        errors.append(float((coded - audio).square().mean() / audio.square().mean()))
        likeness = torch.fft.irfft(torch.fft.rfft(audio).conj() * torch.fft.rfft(coded), 3 * RATE)
        assert (likeness.argmax(-1) == 0).all()
    assert 1e-7 < errors[0] < 0.5 * errors[1] < 0.05


@given(st.integers(1, 3000), st.sampled_from(sorted(CODECS)))
def test_codecs_keep_every_length(samples, codec):
    audio = noise(1, 2, samples)
    assert encode_lossy(audio, codec, 0.5).shape == audio.shape


def test_saturation_bends_odd_harmonics_in_and_keeps_the_loudness():
    time = torch.arange(RATE) / RATE
    tone = 0.5 * torch.sin(2 * torch.pi * 441 * time)[None, None].repeat(2, 1, 1)
    bent = saturate(tone, torch.tensor([1e-3, 5.0]))
    torch.testing.assert_close(bent[0], tone[0], rtol=0, atol=1e-5)
    torch.testing.assert_close(active_rms(bent), active_rms(tone))
    spectrum = torch.fft.rfft(bent[1, 0]).abs() / RATE
    expected = torch.fft.rfft(torch.tanh(5 * tone[1, 0])).abs()
    for harmonic in (3, 5):
        ratio = spectrum[441 * harmonic] / spectrum[441]
        assert ratio.item() == pytest.approx((expected[441 * harmonic] / expected[441]).item(), rel=1e-3)
        assert ratio > 0.02
    assert spectrum[882] < 1e-4 * spectrum[441]


def test_a_room_is_the_direct_sound_and_a_plain_convolution():
    audio, response = noise(2, 2, 700), noise(2, 300, seed=1)
    room = add_room(audio, response)
    for item in range(2):
        for channel in range(2):
            dry = audio[item, channel].numpy()
            expected = dry + np.convolve(dry, response[item].numpy())[:700]
            assert room[item, channel].numpy() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(("low", "high"), [(100.0, torch.inf), (0.0, 5000.0), (60.0, 3000.0)])
def test_bands_have_butterworth_magnitudes(low, high):
    frequencies = torch.tensor([30.0, 60.0, 100.0, 1000.0, 3000.0, 5000.0, 12_000.0])
    time = torch.arange(RATE) / RATE
    tones = torch.sin(2 * torch.pi * frequencies[:, None] * time)[:, None]
    kept = bandpass(tones, torch.full((7,), low), torch.full((7,), high))[..., 8000:-8000]
    powers = kept.square().mean((1, 2)) / tones[..., 8000:-8000].square().mean((1, 2))
    expected = 1 / ((1 + (low / frequencies) ** 6) * (1 + (frequencies / high) ** 6))
    assert powers.numpy() == pytest.approx(expected.numpy(), abs=2e-3)


@given(st.integers(2, 9000))
def test_the_equalizer_is_a_filter_of_any_length(samples):
    audio, curve = noise(1, 1, samples), 3 * torch.randn(1, 6, generator=seeded(1))
    longer = equalize(torch.nn.functional.pad(audio, (0, 20_000 - samples)), curve)[..., :samples]
    # What rings beyond the end is cut, not carried to the beginning.
    torch.testing.assert_close(equalize(audio, curve), longer, rtol=0, atol=1e-3)
