"""Random chains of effects: length, loudness, alignment and seeds are kept."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from latentstem.audio.level import active_rms
from latentstem.data.render import random_effects
from latentstem.data.render.random_effects import apply_random_effects
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
    monkeypatch.setattr(random_effects, "PROBABILITY", 2.0)
    monkeypatch.delitem(random_effects.EFFECTS, "codec")  # it smears a click over its own frames
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
    monkeypatch.delitem(random_effects.EFFECTS, "noise")
    processed = apply_random_effects(clicks, seeded(0))
    assert (processed[..., :10_000].abs().amax(-1) < 0.1 * processed.abs().amax(-1)).all()
    monkeypatch.undo()
    monkeypatch.setattr(random_effects, "PROBABILITY", 2.0)
    audio = noise(8, 1, 1 << 15)
    processed = apply_random_effects(audio, seeded(1))
    likeness = torch.fft.irfft(torch.fft.rfft(audio, 1 << 16).conj() * torch.fft.rfft(processed, 1 << 16))
    assert (likeness.argmax(-1) == 0).all()


def test_drawn_rooms_begin_after_the_direct_sound_and_decay():
    click = torch.zeros(16, 1, RATE)
    click[..., 100] = 1.0
    draws = random_effects._TensorDraws(SeededRandom(0), click.device, 1.0)
    reverb = (random_effects._room(click, draws, RATE) - click)[:, 0]
    assert reverb[:, :100].abs().amax() < 1e-5
    energy = reverb.square()
    assert (energy.sum(1) < 10**-0.5).all() and (energy.sum(1) > 1e-5).all()
    assert (energy[:, 100:8000].sum(1) > energy[:, 14_000:].sum(1)).all()
    # The first reflection comes after 2 ms, and half the energy is in reflections, all within 40.
    assert (energy[:, :140].sum(1) < 0.05 * energy.sum(1)).all()
    assert (energy[:, 180:1900].sum(1) > 0.4 * energy.sum(1)).all()


def test_drawn_noise_is_35_to_60_decibels_below_the_reference():
    silence = torch.zeros(64, 1, 8192)
    draws = random_effects._TensorDraws(SeededRandom(0), silence.device, 1.0)
    levels = decibels(random_effects._noise(silence, draws, RATE)[:, 0]) + 20
    assert levels.amin() == pytest.approx(-60, abs=2) and levels.amax() == pytest.approx(-35, abs=2)


def test_effects_are_applied_to_cached_sub_mixes_but_not_to_the_whole_accompaniment():
    from latentstem.training.latents import _apply_effects

    mixes = noise(41, 1, 5000)
    assert torch.equal(_apply_effects(mixes.clone(), 0.0, (0, 1), RATE), mixes)
    processed = _apply_effects(mixes.clone(), 0.5, (0, 1), RATE)
    assert torch.equal(processed[0], mixes[0])
    # Half of forty, a 256th of which goes through an empty chain.
    assert 10 <= (processed[1:] != mixes[1:]).any(-1).sum() <= 30
    assert torch.equal(_apply_effects(mixes.clone(), 0.5, (0, 1), RATE), processed)
    assert not torch.equal(_apply_effects(mixes.clone(), 0.5, (0, 2), RATE), processed)
