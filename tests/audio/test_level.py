"""Loudness: of the part that sounds, and the same for pieces as for the whole."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

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
