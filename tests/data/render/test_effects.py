"""Random effects: length, loudness, alignment and seeds are kept; each effect against its definition."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from latentstem.audio.level import active_rms
from latentstem.data.render import effects
from latentstem.data.render.effects import add_room, apply_random_effects, bandpass, compress, equalize, saturate
from latentstem.data.rng import SeededRandom

RATE = 44100


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def noise(*shape, seed=0, level=0.1):
    return level * torch.randn(*shape, generator=seeded(seed))


def decibels(audio):
    return 10 * audio.square().mean(-1).log10()


@given(st.integers(1, 2), st.integers(1, 2), st.integers(1, 9000), st.integers(0, 2**32), st.floats(0.01, 1))
def test_length_and_loudness_are_kept(batch, channels, samples, seed, strength):
    audio = noise(batch, channels, samples, level=0.3)
    processed = apply_random_effects(audio, seeded(seed), strength)
    assert processed.shape == audio.shape and processed.isfinite().all()
    torch.testing.assert_close(active_rms(processed), active_rms(audio), rtol=1e-3, atol=1e-6)


def test_the_generator_decides():
    audio = noise(4, 1, 20_000)
    assert torch.equal(apply_random_effects(audio, seeded(3)), apply_random_effects(audio, seeded(3)))
    assert not torch.equal(apply_random_effects(audio, seeded(3)), apply_random_effects(audio, seeded(4)))


def test_strength_zero_does_nothing_and_more_does_more():
    audio = noise(8, 1, 20_000)
    assert apply_random_effects(audio, seeded(0), strength=0.0) is audio
    changes = [
        (apply_random_effects(audio, seeded(0), strength) - audio).square().mean() for strength in (0.01, 0.3, 1.0)
    ]
    assert changes[0] < 0.1 * changes[1] < 0.1 * changes[2]
    for strength in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="strength"):
            apply_random_effects(audio, seeded(0), strength)


def test_each_item_has_a_chain_of_its_own_and_silence_stays():
    audio = noise(1, 1, 20_000).repeat(9, 1, 1)
    audio[4] = 0
    processed = apply_random_effects(audio, seeded(0))
    assert not processed[4].any()
    others = processed[[i for i in range(9) if i != 4]]
    assert len({float(item[0, 5000]) for item in others}) == 8
    assert not apply_random_effects(torch.zeros(2, 1, 100), seeded(0)).any()


def test_the_input_is_not_changed():
    audio = noise(4, 1, 5000)
    before = audio.clone()
    apply_random_effects(audio, seeded(1))
    assert torch.equal(audio, before)


def test_the_chain_has_no_delay(monkeypatch):
    """With all effects on, clicks stay on their samples and the correlation of noise is greatest at lag 0."""
    monkeypatch.setattr(effects, "PROBABILITY", 2.0)
    clicks = torch.zeros(40, 1, 22_050)
    clicks[..., 11_000] = 1.0
    processed = apply_random_effects(clicks, seeded(0))
    # A limit at 3 kHz widens a click and saturation flattens its top, so its energy is located, not its peak. Of the
    # room nothing returns within 40 samples.
    lags = torch.arange(-40, 41)
    energy = processed[..., 11_000 + lags].square()
    centroid = (energy * lags).sum(-1) / energy.sum(-1)
    assert centroid.abs().amax() < 0.5
    # Without the noise, all that precedes a click is the smear of zero-phase filters.
    monkeypatch.delitem(effects.EFFECTS, "noise")
    processed = apply_random_effects(clicks, seeded(0))
    assert (processed[..., :10_000].abs().amax(-1) < 0.1 * processed.abs().amax(-1)).all()
    monkeypatch.undo()
    monkeypatch.setattr(effects, "PROBABILITY", 2.0)
    audio = noise(8, 1, 1 << 15)
    processed = apply_random_effects(audio, seeded(1))
    likeness = torch.fft.irfft(torch.fft.rfft(audio, 1 << 16).conj() * torch.fft.rfft(processed, 1 << 16))
    assert (likeness.argmax(-1) == 0).all()


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


def test_drawn_rooms_begin_after_the_direct_sound_and_decay():
    click = torch.zeros(16, 1, RATE)
    click[..., 100] = 1.0
    draws = effects._TensorDraws(SeededRandom(0), click.device, 1.0)
    reverb = (effects._room(click, draws, RATE) - click)[:, 0]
    assert reverb[:, :100].abs().amax() < 1e-5
    energy = reverb.square()
    assert (energy.sum(1) < 10**-0.5).all() and (energy.sum(1) > 1e-5).all()
    assert (energy[:, 100:8000].sum(1) > energy[:, 14_000:].sum(1)).all()
    # The first reflection comes after 2 ms, and half the energy is in reflections, all within 40.
    assert (energy[:, :140].sum(1) < 0.05 * energy.sum(1)).all()
    assert (energy[:, 180:1900].sum(1) > 0.4 * energy.sum(1)).all()


def test_drawn_noise_is_35_to_60_decibels_below_the_reference():
    silence = torch.zeros(64, 1, 8192)
    draws = effects._TensorDraws(SeededRandom(0), silence.device, 1.0)
    levels = decibels(effects._noise(silence, draws, RATE)[:, 0]) + 20
    assert levels.amin() == pytest.approx(-60, abs=2) and levels.amax() == pytest.approx(-35, abs=2)


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


def test_effects_are_applied_to_cached_sub_mixes_but_not_to_the_whole_accompaniment():
    from latentstem.training.latents import _apply_effects

    mixes = noise(41, 1, 5000)
    assert torch.equal(_apply_effects(mixes.clone(), 0.0, (0, 1), RATE), mixes)
    processed = _apply_effects(mixes.clone(), 0.5, (0, 1), RATE)
    assert torch.equal(processed[0], mixes[0])
    # Half of forty, a sixty-fourth of which goes through an empty chain.
    assert 10 <= (processed[1:] != mixes[1:]).any(-1).sum() <= 30
    assert torch.equal(_apply_effects(mixes.clone(), 0.5, (0, 1), RATE), processed)
    assert not torch.equal(_apply_effects(mixes.clone(), 0.5, (0, 2), RATE), processed)
