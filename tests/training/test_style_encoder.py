"""The training of the style encoder: its crops, its retrieval, and a training from stems to published weights."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from latentstem import AutoencoderSpectral, StyleEncoder, write_audio
from latentstem.training.style_encoder import (
    PIECE_FRAMES,
    StyleCrops,
    StyleEncoderTraining,
    StyleTrack,
    retrieve_instruments,
    shuffled_pieces,
    train,
)


def counting_track(name, offset):
    """Latents whose values say which instrument, which line and which frame they are of."""
    frames = torch.arange(30.0).expand(1, -1)
    lines = torch.stack([frames + offset, frames + offset + 100])
    return StyleTrack(name, lines, lines + 1000)


@given(st.integers(1, 90), st.integers(0, 1000))
def test_pieces_stay_whole_and_none_is_lost(frames, seed):
    order = shuffled_pieces(frames, np.random.default_rng(seed))
    assert sorted(order) == list(range(frames))
    runs = np.split(order, np.flatnonzero(np.diff(order) != 1) + 1)
    # Pieces that meet again in order are one run; the last piece may be cut short.
    assert sum(len(run) < PIECE_FRAMES[0] for run in runs) <= 1


def test_crops_hold_both_instruments_at_one_place_and_in_one_order():
    tracks = [counting_track("a", 0), counting_track("b", 10_000)]
    for _, (crops, instruments) in zip(range(5), StyleCrops(tracks, 2, 8), strict=False):
        values = crops[:, 0]
        pairs = values.reshape(4, 2, 8)
        torch.testing.assert_close(pairs[:, 1], pairs[:, 0] + 100)
        assert instruments.tolist() == [0, 1, 0, 1, 2, 3, 2, 3]
        references = (values[:, 0] % 10_000) >= 1000
        assert references.tolist() == [False, False, True, True] * 2


def test_a_batch_is_a_function_of_its_step():
    tracks = [counting_track(str(n), 1000.0 * n) for n in range(6)]
    later = next(iter(StyleCrops(tracks, 4, 8, seed=1, first_step=2)))
    for _, batch in zip(range(3), StyleCrops(tracks, 4, 8, seed=1), strict=False):
        last = batch
    assert torch.equal(last[0], later[0])


def test_instruments_are_found_by_their_codes():
    class Mean(torch.nn.Module):
        device = torch.device("cpu")

        def forward(self, latents):
            return latents.mean(-1)

    torch.manual_seed(0)
    sounds = torch.randn(5, 2, 8, 1)
    tracks = [StyleTrack(str(n), own.expand(2, 8, 12), own.expand(2, 8, 20) + 0.01) for n, own in enumerate(sounds)]
    assert retrieve_instruments(Mean(), tracks) == {"top_1": 1.0, "twin_told": 1.0, "missed": 0.0}
    swapped = [StyleTrack(track.name, track.lines, track.references.flip(0)) for track in tracks]
    assert retrieve_instruments(Mean(), swapped)["twin_told"] == 0.0
    assert retrieve_instruments(Mean(), tracks[:1]) == {}


def test_one_track_is_refused():
    with pytest.raises(ValueError, match="at least two"):
        StyleCrops([counting_track("a", 0)], 2, 8)


def test_a_training_goes_from_stems_to_weights(tmp_path):
    torch.manual_seed(0)
    AutoencoderSpectral(latent_channels=4, channels=8, latent_hidden_channels=8, carriers=8).save_pretrained(
        tmp_path / "autoencoder"
    )
    time = torch.arange(88200) / 44100
    for folder, frequency in (("pairs", 110.0), ("references", 147.0)):
        for track in range(3):
            (tmp_path / folder / f"song_{track}").mkdir(parents=True)
            for stem, partials in (("bass", 2 + track), ("twin", 6 + track)):
                tone = sum(torch.sin(2 * torch.pi * k * frequency * time) / k for k in range(1, partials))
                write_audio(tmp_path / folder / f"song_{track}" / f"{stem}.wav", 0.2 * tone[None], 44100)
    folder = train(
        StyleEncoderTraining(
            tmp_path / "pairs", tmp_path / "run", tmp_path / "references", tmp_path / "autoencoder",
            validation=tmp_path / "pairs", validation_references=tmp_path / "references", steps=3, validations=1,
            mixed_precision="no", batch_size=3, crop_frames=12, model={"channels": 8, "code_dim": 4, "layers": 1},
        )
    )  # fmt: skip
    assert StyleEncoder.from_pretrained(folder).config["code_dim"] == 4
    assert '"top_1"' in (tmp_path / "run" / "history.jsonl").read_text()
