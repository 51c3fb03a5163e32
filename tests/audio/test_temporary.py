"""Samples in a temporary file: read anywhere, also before the first and after the last."""

import torch
from hypothesis import example, given
from hypothesis import strategies as st

from latentstem.audio.temporary import TemporaryAudio


@example(pieces=[], channels=1, first=-1, count=0)
@example(pieces=[3], channels=1, first=-5, count=3)
@given(
    pieces=st.lists(st.integers(0, 40), max_size=4),
    channels=st.integers(1, 2),
    first=st.integers(-50, 200),
    count=st.integers(0, 120),
)
def test_what_is_read_is_what_was_written_with_zeros_around_it(tmp_path_factory, pieces, channels, first, count):
    written = [torch.rand(channels, size) + 0.5 for size in pieces]
    whole = torch.cat([torch.zeros(channels, 0), *written], dim=1)
    around = torch.nn.functional.pad(whole, (50, 400))
    folder = tmp_path_factory.getbasetemp()
    with TemporaryAudio(folder, channels) as audio:
        for piece in written:
            audio.append(piece)
        assert audio.samples == whole.shape[1]
        assert torch.equal(audio.read(first, count), around[:, first + 50 : first + 50 + count])
        assert torch.equal(torch.cat([torch.zeros(channels, 0), *audio.blocks()], dim=1), whole)
        assert audio.peak == (whole.abs().max().item() if whole.numel() else 0.0)


def test_long_audio_comes_back_in_blocks(tmp_path):
    whole = torch.rand(2, (1 << 18) + 5)
    with TemporaryAudio(tmp_path, 2) as audio:
        audio.append(whole)
        blocks = list(audio.blocks())
    assert [block.shape for block in blocks] == [(2, 1 << 18), (2, 5)]
    assert torch.equal(torch.cat(blocks, dim=1), whole)
