"""The training of the reranker, on pairs with a known relation."""

import math

import pytest
import torch

from latentstem import ContrastiveStemModel
from latentstem.training.contrastive import PairCrops, contrastive_loss
from latentstem.training.latents import LatentTrack


def tracks(count: int, frames: int = 40) -> list[LatentTrack]:
    """Stems of noise, and mixes that hold the negative of their stem."""
    torch.manual_seed(1)
    stems = torch.randn(count, 4, frames)
    return [LatentTrack(str(n), stem, {"mix": torch.stack([-stem, -2 * stem])}) for n, stem in enumerate(stems)]


def test_a_batch_holds_each_track_once_and_its_other_moments():
    songs = tracks(6)
    for _, (mixes, stems, others) in zip(range(20), PairCrops(songs, 6, 8, seed=0), strict=False):
        found = [_find(songs, stem) for stem in stems]
        assert sorted(index for index, _ in found) == list(range(6))
        for (index, start), mix, other in zip(found, mixes, others, strict=True):
            stem = songs[index].stem[:, start : start + 8]
            assert sum(torch.equal(mix, -scale * stem) for scale in (1.0, 2.0)) == 1
            assert _find(songs, other)[0] == index and _find(songs, other)[1] != start


def _find(songs: list[LatentTrack], crop: torch.Tensor) -> tuple[int, int]:
    """Index of the track that a crop comes from, and its first frame."""
    return next(
        (index, start)
        for index, track in enumerate(songs)
        for start in range(track.stem.shape[-1] - 7)
        if torch.equal(track.stem[:, start : start + 8], crop)
    )


def test_the_loss_is_the_symmetric_cross_entropy_written_out():
    scores = torch.randn(3, 6)
    latents = torch.zeros(3, 4, 8)
    loss = contrastive_loss(lambda mixes, stems: scores, latents, latents, latents)
    rows = [math.log(sum(math.exp(v) for v in row)) - float(row[n]) for n, row in enumerate(scores)]
    columns = [math.log(sum(math.exp(v) for v in scores[:, n])) - float(scores[n, n]) for n in range(3)]
    assert float(loss) == pytest.approx((sum(rows) / 3 + sum(columns) / 3) / 2, rel=1e-5)


def test_a_reranker_learns_to_tell_unseen_pairs():
    torch.manual_seed(0)
    reranker = ContrastiveStemModel(latent_channels=4, channels=32, embedding_channels=16, layers=(1,))
    optimizer = torch.optim.AdamW(reranker.parameters(), lr=3e-3)
    for _, batch in zip(range(60), PairCrops(tracks(32), 16, 8, seed=0), strict=False):
        loss = contrastive_loss(reranker, *batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    stems = torch.randn(16, 4, 8)
    with torch.inference_mode():
        scores = reranker.eval()(-stems, stems)
    assert (scores.argmax(1) == torch.arange(16)).float().mean() > 0.9


def test_crops_as_long_as_the_track_have_no_other_moment():
    with pytest.raises(ValueError, match="less than the 40"):
        PairCrops(tracks(2), 2, 40, seed=0)
