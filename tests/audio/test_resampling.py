"""Resampling: tones stay what they are, lengths are exact, and blocks make up the whole."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from latentstem.audio.resampling import resample, resample_blocks, resampled_length


def noise(channels=2, samples=22050):
    return torch.rand(channels, samples, generator=torch.Generator().manual_seed(0)) * 1.6 - 0.8


@given(
    samples=st.integers(1, 5000),
    from_rate=st.sampled_from([8000, 11025, 22050, 32000, 44100, 48000, 96000, 192000]),
    to_rate=st.sampled_from([22050, 44100, 48000]),
)
def test_resampling_has_the_stated_length_and_returns_to_the_first(samples, from_rate, to_rate):
    there = resample(torch.zeros(1, samples), from_rate, to_rate)
    assert there.shape == (1, int(np.ceil(samples * to_rate / from_rate)))
    assert resample(there, to_rate, from_rate, num_samples=samples).shape == (1, samples)


@given(
    samples=st.integers(1, 60_000),
    sizes=st.lists(st.integers(0, 20_000), min_size=1, max_size=6),
    rates=st.sampled_from([(48000, 44100), (44100, 48000), (22050, 44100), (44100, 44100), (44100, 16000)]),
    num_samples=st.none() | st.integers(1, 100_000),
)
def test_resampling_by_blocks_equals_resampling_the_whole(samples, sizes, rates, num_samples):
    audio = noise(2, samples)
    blocks = torch.tensor_split(audio, np.clip(np.cumsum(sizes), 0, samples).tolist(), dim=1)
    streamed = torch.cat(list(resample_blocks(blocks, *rates, num_samples)), dim=1)
    assert torch.equal(streamed, resample(audio, *rates, num_samples))


def test_resampling_keeps_a_tone():
    def tone(rate):
        return torch.sin(2 * torch.pi * 220 * torch.arange(rate) / rate).expand(2, -1).contiguous()

    inner = slice(1000, -1000)  # the resampler's filter reaches over the ends
    for from_rate, to_rate in ((48000, 44100), (44100, 96000), (22050, 44100)):
        converted = resample(tone(from_rate), from_rate, to_rate)
        assert (converted - tone(to_rate))[:, inner].abs().max() < 1e-3


def test_resampling_to_the_same_rate_changes_nothing():
    audio = noise()
    assert torch.equal(resample(audio, 44100, 44100), audio)


@pytest.mark.parametrize("rates", [(44100, 44100), (44100, 48000), (48000, 44100)])
def test_what_is_longer_than_the_audio_ends_in_silence(rates):
    audio = noise(2, 1000)
    longer = resample(audio, *rates, num_samples=3000)
    whole = resample(audio, *rates)
    assert longer.shape == (2, 3000) and torch.equal(longer[:, : whole.shape[1]], whole)
    assert not longer[:, whole.shape[1] + 100 :].any()
    assert resample(audio, *rates, num_samples=0).shape == (2, 0)
    assert resample(audio[:, :0], *rates).shape == (2, 0)


def test_what_becomes_many_samples_comes_out_in_blocks():
    sizes = [block.shape[1] for block in resample_blocks([torch.full((1, 30_000), 0.5)], 480, 48_000)]
    assert sum(sizes) == 3_000_000
    assert max(sizes) < 1.1 * (1 << 20), sizes


@pytest.mark.parametrize("rates", [(0, 44100), (44100, 0), (768_001, 44100), (44100, 768_001), (44100.5, 48000)])
def test_rates_that_are_none_are_refused(rates):
    for call in (
        lambda: resample(torch.zeros(1, 9), *rates),
        lambda: resampled_length(9, *rates),
        lambda: list(resample_blocks([torch.zeros(1, 9)], *rates)),
    ):
        with pytest.raises(ValueError, match="expected a whole number from 1 to 768000"):
            call()
    assert resampled_length(1, 1, 768_000) == 768_000 and resampled_length(768_001, 768_000, 1) == 2


@pytest.mark.parametrize("rates", [(44100, 44100), (44100, 48000)])
def test_audio_that_cannot_be_resampled_is_refused(rates):
    for shape in ((9,), (1, 1, 9)):
        with pytest.raises(ValueError, match=r"got audio of shape .*; expected \(channels, samples\)"):
            resample(torch.zeros(shape), *rates)
    with pytest.raises(ValueError, match="got audio with NaN"):
        resample(torch.full((1, 5000), torch.nan), *rates)
    with pytest.raises(ValueError, match="num_samples=-1; expected a whole number from 0"):
        resample(torch.zeros(1, 9), *rates, num_samples=-1)
