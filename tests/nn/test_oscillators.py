"""Carriers count absolute time exactly and are the transform of steady sinusoids."""

import math
from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from latentstem.nn.convnext import ConvNeXtBlock1D
from latentstem.nn.oscillators import PHASE_STEPS, OscillatorBank, _fast_length, bounded_exp


@cache
def carriers(count=384):
    """One bank for all examples: to transform the window at every carrier takes a third of a second."""
    return OscillatorBank(8, 44100, window_length=2048, hop_length=512, count=count)


def amplitudes(module):
    """What the carriers weigh when the hidden states are zero."""
    hidden = torch.zeros(1, 1, 8)
    return module._amplitudes(hidden, module.pitch(hidden).view(1, 1, module.voices, module.pitches))[0, 0]


def silenced(module):
    """A bank whose output does not depend on the hidden states: no pitch preferred, no partial and no noise."""
    with torch.no_grad():
        for part, bias in ((module.pitch, 0.0), (module.partial, -80.0), (module.noise, -80.0)):
            part.weight.zero_()
            part.bias.fill_(bias)
    return module


@given(st.integers(0, 10**7), st.integers(1, 30))
def test_a_piece_equals_its_place_in_the_whole(start, frames):
    module = carriers(16)
    hidden = torch.randn(1, frames + 5, 8)
    whole, pitch = module(hidden, start_frame=start)
    piece, pitch_of_piece = module(hidden[:, 5:], start_frame=start + 5)
    assert torch.allclose(piece, whole[:, :, 5:], atol=1e-5)
    assert torch.allclose(pitch_of_piece, pitch[:, 5:], atol=1e-5)


@given(st.integers(0, 383))
def test_frequencies_are_those_of_a_grid_that_holds_concert_pitch(carrier):
    rate = 44100 / 512
    frequency = float(carriers().steps[carrier]) / PHASE_STEPS * rate
    assert abs(1200 * math.log2(frequency / (27.5 * 2 ** (carrier / 72)))) < 0.01
    midi = 69 + 12 * math.log2(frequency / 440)
    assert carrier % 6 or abs(midi - round(midi)) < 1e-4


@given(st.integers(0, 323), st.integers(0, 1), st.integers(1, 24))
def test_partials_are_the_multiples_of_a_pitch(pitch, voice, partial):
    module = silenced(carriers())
    with torch.no_grad():
        module.pitch.bias[voice * module.pitches + pitch] = 200.0
        module.partial.bias[voice * len(module.offsets) + partial - 1] = -1.0
        weights = amplitudes(module)
    frequencies = module.steps.double() / PHASE_STEPS * 44100 / 512
    wanted = partial * float(frequencies[pitch])
    if wanted > 1.005 * module.highest:
        assert weights.max() < 1e-6
    else:
        loudest = int(weights.argmax())
        assert abs(1200 * math.log2(float(frequencies[loudest]) / wanted)) < 1200 / 72 / 2 + 0.1
        assert torch.isclose(weights.sum(), torch.tensor(math.exp(-1.0)), atol=1e-5)


@given(st.integers(0, 2**32 - 1), st.sampled_from([2, 5, 16, 100, 384]))
def test_amplitudes_are_the_sum_that_the_docstring_writes(seed, count):
    module, generator = carriers(count), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for part, spread in ((module.pitch, 4.0), (module.partial, 2.0), (module.noise, 2.0)):
            part.weight.zero_()
            part.bias.copy_(spread * torch.randn(part.bias.shape, generator=generator) - 3.0)
        found = amplitudes(module).double()
    pitch, partial = (
        part.bias.detach().double().numpy().reshape(module.voices, -1) for part in (module.pitch, module.partial)
    )
    strength = np.where(partial < 1, np.exp(partial), np.e * partial)  # its tangent from one on
    salience = np.exp(pitch) / np.linalg.norm(np.exp(pitch), axis=1, keepdims=True)
    noise = module.noise.bias.detach().double().numpy()
    noise = np.interp(np.arange(count), np.linspace(0, count - 1, len(noise)), noise)
    expected = np.where(noise < 1, np.exp(noise), np.e * noise)
    for voice in range(module.voices):
        for h, offset in enumerate(module.offsets):
            for place in range(min(module.pitches, count - offset)):
                expected[place + offset] += strength[voice, h] * salience[voice, place]
    assert np.abs(found.numpy() - expected).max() < 1e-5 * (1 + expected.max())


@given(st.integers(0, 2**32 - 1), st.sampled_from([3, 9, 17]), st.integers(1, 12))
def test_strengths_are_averaged_over_time_and_their_common_level_is_not(seed, smoothing, frames):
    module = OscillatorBank(6, 44100, 2048, 512, count=200, smoothing=smoothing)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for part, spread in ((module.partial, 0.3), (module.gain, 0.3), (module.pitch, 1.0)):
            part.weight.copy_(spread * torch.randn(part.weight.shape, generator=generator))
        module.noise.weight.zero_()
        module.noise.bias.fill_(-80.0)
        hidden = torch.randn(1, frames, 6, generator=generator)
        found = module._amplitudes(hidden, module(hidden)[1])[0]
        partial, gain = module.partial(hidden)[0], module.gain(hidden)[0]
        # The same, as a bank without smoothing whose strengths are averaged by hand.
        plain = OscillatorBank(6, 44100, 2048, 512, count=200)
        weights = [1 + math.cos(2 * math.pi * offset / (smoothing + 1)) for offset in range(-(smoothing // 2), 1)]
        weights = [*weights, *weights[-2::-1]]
        for frame in range(frames):
            places = [min(max(frame + shift - smoothing // 2, 0), frames - 1) for shift in range(smoothing)]
            mean = sum(w * partial[place] for w, place in zip(weights, places, strict=True)) / sum(weights)
            plain.partial.weight.zero_()
            plain.partial.bias.copy_(mean + gain[frame].repeat_interleave(len(module.offsets)))
            plain.noise.weight.zero_()
            plain.noise.bias.fill_(-80.0)
            expected = plain._amplitudes(hidden, module(hidden)[1])[0, frame]
            torch.testing.assert_close(found[frame], expected, rtol=1e-3, atol=1e-6)


@given(st.integers(0, 2**32 - 1), st.floats(0.01, 30))
def test_a_voice_is_as_loud_whether_sure_of_its_pitch_or_not(seed, sharpness):
    module = silenced(carriers())
    with torch.no_grad():
        module.pitch.bias.copy_(sharpness * torch.randn(648, generator=torch.Generator().manual_seed(seed)))
        module.partial.bias[0] = 0.0
        power = amplitudes(module).square().sum()
    assert torch.isclose(power, torch.tensor(1.0), atol=1e-4)


@given(st.integers(0, 323), st.integers(0, 10**5))
def test_one_carrier_alone_is_the_transform_of_its_sinusoid(carrier, start):
    module = silenced(carriers())
    with torch.no_grad():
        module.pitch.bias[carrier] = 200.0
        module.partial.bias[0] = 0.0
        real, imaginary = module(torch.zeros(1, 4, 8), start_frame=start)[0].double()
    # Independently: the sinusoid in the time domain, its angle counted from the accumulator at the first frame.
    steps = int(module.steps[carrier])
    samples = np.arange(2048 + 3 * 512)
    angle = 2 * np.pi * ((start * steps % PHASE_STEPS) / PHASE_STEPS + steps / PHASE_STEPS / 512 * samples)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(2048) / 2048)
    for frame in range(4):
        piece = np.exp(1j * angle[frame * 512 : frame * 512 + 2048])
        expected = np.fft.fft(piece * window)[: real.shape[-1]] * 2 / 2048
        # The response is that of the unrounded frequency: a hundredth of a cent aside.
        assert np.abs((real + 1j * imaginary)[0, frame].numpy() - expected).max() < 1e-3


@given(st.integers(1, 20), st.sampled_from([1, 3, 5, 7]))
def test_a_block_keeps_its_shape_and_sees_its_kernel_only(frames, kernel_size):
    block = ConvNeXtBlock1D(6, kernel_size)
    hidden = torch.randn(2, frames, 6)
    changed = hidden.clone()
    changed[:, 0] += 1
    difference = (block(hidden) - block(changed)).abs().amax((0, 2))
    assert block(hidden).shape == hidden.shape
    assert difference[kernel_size // 2 + 1 :].sum() == 0


@pytest.mark.parametrize(("count", "bins"), [(16, 4), (384, 53), (700, 1025)])
def test_the_bins_are_those_that_the_oscillators_reach(count, bins):
    """Two above the highest, where the main lobe of the window ends, and none above half the sampling rate."""
    module = OscillatorBank(4, 44100, 2048, 512, count=count, pitches=10, partials=2)
    frames, pitch = module(torch.zeros(1, 1, 4))
    assert frames.shape == (2, 1, 1, bins) and pitch.shape == (1, 1, 2, 10)
    assert module.highest == pytest.approx(27.5 * 2 ** ((count - 1) / 72), rel=1e-6)


def test_weights_are_all_that_is_saved():
    module = OscillatorBank(4, 44100, 2048, 512, smoothing=3)
    assert sorted(module.state_dict()) == sorted(name for name, _ in module.named_parameters())


def test_a_new_bank_is_quiet_and_its_first_voice_the_loudest():
    module = OscillatorBank(4, 44100, 2048, 512, smoothing=9)
    frames, _ = module(torch.zeros(1, 3, 4))
    assert frames.abs().max() < 0.05
    first, second = module.partial.bias.view(2, -1)
    assert torch.equal(first - second, torch.full((len(first),), 4.0))
    hidden = torch.randn(1, 3, 4)
    assert not module.gain(hidden).any()
    assert OscillatorBank(4, 44100, 2048, 512).gain is None
    assert OscillatorBank(4, 44100, 2048, 512).offsets[:4] == [0, 72, 114, 144]
    assert len(OscillatorBank(4, 44100, 2048, 512, count=540).offsets) == 32


@pytest.mark.parametrize("count", [72, 384, 540])
def test_noise_is_predicted_four_times_an_octave(count):
    points = OscillatorBank(4, 44100, 2048, 512, count=count).noise.out_features
    assert 14 <= (count - 1) / (points - 1) <= 18


@given(st.integers(1, 5000))
def test_fast_lengths_are_long_enough_little_longer_and_without_large_factors(least):
    length = _fast_length(least)
    assert least <= length < max(1.25 * least, least + 1)
    for factor in (2, 3, 5, 7):
        while length % factor == 0:
            length //= factor
    assert length == 1


@given(st.floats(-20, 20))
def test_the_exponential_goes_on_as_its_tangent(logarithm):
    values = torch.tensor([logarithm], dtype=torch.float64, requires_grad=True)
    result = bounded_exp(values)
    result.sum().backward()
    assert result.item() == pytest.approx(math.exp(logarithm) if logarithm < 1 else math.e * logarithm)
    assert values.grad.item() == pytest.approx(math.exp(min(logarithm, 1)))


@pytest.mark.parametrize("smoothing", [(1, 1), (3, 3), (1, 3), (3, 1)])
@torch.no_grad()
def test_a_bank_takes_over_a_smaller_one(smoothing):
    small = OscillatorBank(4, 44100, 2048, 512, count=200, pitches=100, partials=4, smoothing=smoothing[0])
    large = OscillatorBank(4, 44100, 2048, 512, count=300, pitches=100, partials=9, smoothing=smoothing[1])
    for module in (small, large):
        for parameter in module.parameters():
            torch.nn.init.normal_(parameter)
    own = None if large.gain is None else large.gain.weight.clone()
    large.take_over(small)
    hidden = torch.randn(1, 5, 4)
    assert torch.equal(large.pitch(hidden), small.pitch(hidden))
    before, now = (module.partial(hidden).view(5, 2, -1) for module in (small, large))
    torch.testing.assert_close(now[..., : before.shape[-1]], before)
    fall = now[..., before.shape[-1] :] - before[..., -1:]
    expected = torch.linspace(0, -2, now.shape[-1] - before.shape[-1] + 1)[1:]
    torch.testing.assert_close(fall, expected.expand_as(fall), atol=1e-5, rtol=1e-5)
    noise = small.noise.out_features
    torch.testing.assert_close(large.noise(hidden)[..., :noise], small.noise(hidden))
    assert not large.noise.weight[noise:].any()
    if large.gain is not None:
        assert torch.equal(large.gain.weight, own if small.gain is None else small.gain.weight)


@pytest.mark.parametrize("other", [{"voices": 1}, {"pitches": 50}, {"partials": 5}])
def test_a_bank_of_other_voices_or_more_partials_is_not_taken_over(other):
    sizes = {"count": 200, "pitches": 100, "partials": 4}
    module = OscillatorBank(4, 44100, 2048, 512, **sizes)
    module.take_over(OscillatorBank(4, 44100, 2048, 512, **sizes))
    with pytest.raises(ValueError, match="expected 2, 100 and at most 4"):
        module.take_over(OscillatorBank(4, 44100, 2048, 512, **sizes | other))


@torch.no_grad()
def test_noise_is_given_a_spectrum():
    module = silenced(OscillatorBank(8, 44100, 2048, 512))
    slope = 0.02 * torch.linspace(0, -3, 53).exp()
    module.set_spectrum(slope)
    frames, _ = module(torch.zeros(1, 400, 8))
    level = frames.square().sum(0).mean((0, 1)).sqrt()
    decibels = 20 * (level / slope).log10()
    assert decibels[3:50].abs().mean() < 3
