"""Loudness: of the part that sounds, and the same for pieces as for the whole."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from latentstem.audio.level import BLOCK, SoundingLevel, sounding_rms


@given(st.integers(0, 6 * BLOCK), st.lists(st.integers(0, 6 * BLOCK), max_size=5), st.integers(1, 2))
def test_pieces_have_the_level_of_the_whole(samples, places, channels):
    audio = torch.randn(2, channels, samples) * torch.logspace(0, -3, samples)
    level = SoundingLevel()
    for piece in torch.tensor_split(audio, sorted(min(place, samples) for place in places), dim=-1):
        level.update(piece)
    assert torch.equal(level.rms, sounding_rms(audio))


def test_silence_between_notes_does_not_count():
    note = torch.sin(0.05 * torch.arange(8 * BLOCK)).reshape(1, 1, -1)
    with_rests = torch.cat([note, torch.zeros(1, 1, 40 * BLOCK), 1e-3 * note], dim=-1)
    assert sounding_rms(with_rests).item() == pytest.approx(0.5**0.5, rel=1e-3)


def test_no_pieces_have_no_level():
    with pytest.raises(ValueError, match="at least one piece"):
        _ = SoundingLevel().rms
