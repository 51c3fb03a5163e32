"""Loudness: of the part that sounds, and the same for pieces as for the whole."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from latentstem.audio.errors import AudioContentError
from latentstem.audio.level import BLOCK, REFERENCE_RMS, ActiveLevelMeter, active_rms, normalize_level, reference_gain


@given(st.integers(0, 6 * BLOCK), st.lists(st.integers(0, 6 * BLOCK), max_size=5), st.integers(1, 2))
def test_pieces_have_the_level_of_the_whole(samples, places, channels):
    audio = torch.randn(2, channels, samples) * torch.logspace(0, -3, samples)
    level = ActiveLevelMeter()
    for piece in torch.tensor_split(audio, sorted(min(place, samples) for place in places), dim=-1):
        level.update(piece)
    assert torch.equal(level.rms, active_rms(audio))


def test_silence_between_notes_does_not_count():
    note = torch.sin(0.05 * torch.arange(8 * BLOCK)).reshape(1, 1, -1)
    with_rests = torch.cat([note, torch.zeros(1, 1, 40 * BLOCK), 1e-3 * note], dim=-1)
    assert active_rms(with_rests).item() == pytest.approx(0.5**0.5, rel=1e-3)


@given(st.floats(-80.0, 20.0), st.integers(0, 2**31))
def test_the_reference_gain_undoes_any_gain(decibels, seed):
    audio = torch.randn(3, 2, 2 * BLOCK + 100, generator=torch.Generator().manual_seed(seed))
    audio *= torch.tensor([1.0, 0.1, 3.0]).reshape(3, 1, 1)
    gain = 10 ** (decibels / 20)
    torch.testing.assert_close(reference_gain(gain * audio) * gain, reference_gain(audio))
    torch.testing.assert_close(active_rms(normalize_level(gain * audio)), torch.full((3,), REFERENCE_RMS))
    torch.testing.assert_close(normalize_level(gain * audio), normalize_level(audio))


def test_silence_is_not_brought_up():
    faint = torch.tensor([1.01e-6, 0.99e-6, 0.0]).reshape(3, 1, 1).expand(-1, 1, 5000)
    assert reference_gain(faint).tolist() == pytest.approx([REFERENCE_RMS / 1.01e-6, 1.0, 1.0])
    assert torch.equal(normalize_level(faint)[1:], faint[1:])
    assert reference_gain(faint[..., :0]).tolist() == [1.0, 1.0, 1.0]


def test_no_pieces_have_no_level():
    with pytest.raises(ValueError, match="at least one piece"):
        _ = ActiveLevelMeter().rms


@given(st.lists(st.floats(-60, 0), min_size=1, max_size=5), st.integers(1, 4096), st.integers(1, 2))
def test_the_level_is_that_of_the_blocks_within_forty_decibels_of_the_loudest(decibels, last, channels):
    gains = 10 ** (np.array(decibels) / 20)
    audio = np.random.default_rng(0).standard_normal((channels, len(decibels), 4096)) * gains[:, None]
    audio = audio.reshape(channels, -1)[:, : (len(decibels) - 1) * 4096 + last].astype(np.float32)
    blocks = np.split(audio.astype(np.float64), range(4096, audio.shape[1], 4096), axis=1)
    powers = [np.mean(block**2) for block in blocks]
    sounding = [block for block, power in zip(blocks, powers, strict=True) if power >= 1e-4 * max(powers)]
    samples = np.concatenate([block.reshape(-1) for block in sounding])
    expected = np.sqrt(np.mean(samples**2))
    assert active_rms(torch.from_numpy(audio)[None]).item() == pytest.approx(expected, rel=1e-4)


def test_audio_of_another_shape_or_beyond_all_measure_is_refused():
    for shape in ((5000,), (1, 5000), (1, 1, 1, 5000)):
        with pytest.raises(AudioContentError, match=r"expected \(batch, channels, samples\)"):
            active_rms(torch.zeros(shape))
    assert active_rms(torch.full((1, 1, 5000), 1e12)).item() == pytest.approx(1e12)
    for peak in (1.1e12, torch.inf, torch.nan):
        with pytest.raises(AudioContentError, match=r"the audio reaches .*; expected finite samples"):
            active_rms(torch.full((1, 1, 5000), peak))
    assert active_rms(torch.zeros(2, 1, 0)).tolist() == [0.0, 0.0]


def test_one_sample_has_its_own_level():
    assert active_rms(torch.tensor([[[0.25]], [[0.0]]])).tolist() == [0.25, 0.0]
