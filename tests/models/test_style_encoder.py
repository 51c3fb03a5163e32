"""The encoder of styles: what it sees, what it ignores, and the loss that forms its codes."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from latentstem import StyleEncoder
from latentstem.losses import supervised_contrastive
from latentstem.nn import AttentiveStatisticsPooling


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(0)
    return StyleEncoder(latent_channels=8, channels=16, code_dim=4).eval()


@given(st.integers(1, 5), st.integers(1, 30), st.integers(1, 6))
def test_any_number_of_recordings_of_any_length_has_a_code(batch, frames, dimensions):
    encoder = StyleEncoder(latent_channels=3, channels=8, code_dim=dimensions, layers=1).eval()
    assert encoder(torch.randn(batch, 3, frames)).shape == (batch, dimensions)


def test_frames_that_do_not_sound_do_not_count_beyond_the_reach_of_the_convolutions(encoder):
    latents, sounding = torch.randn(1, 8, 60), torch.zeros(1, 60, dtype=torch.bool)
    sounding[:, :30] = True
    changed = latents.clone()
    changed[:, :, 40:] += 5.0
    torch.testing.assert_close(encoder(latents, sounding), encoder(changed, sounding))
    assert not torch.allclose(encoder(latents), encoder(changed))


def test_a_recording_in_which_nothing_sounds_has_the_code_of_all_its_frames(encoder):
    latents = torch.randn(2, 8, 20)
    silent = torch.zeros(2, 20, dtype=torch.bool)
    torch.testing.assert_close(encoder(latents, silent), encoder(latents))


@torch.no_grad()
def test_pooled_statistics_are_weighted_means_and_deviations():
    torch.manual_seed(0)
    pooling, sequence, mask = AttentiveStatisticsPooling(4), torch.randn(2, 4, 9), torch.rand(2, 9) < 0.6
    pooled = pooling(sequence, mask)
    for item in range(2):
        kept = sequence[item][:, mask[item]]
        scores = [float(pooling.score(frame[None, :, None])) for frame in kept.T]
        weights = torch.tensor([math.exp(score) for score in scores])
        weights = weights / weights.sum()
        mean = (kept * weights).sum(1)
        deviation = ((kept - mean[:, None]) ** 2 * weights).sum(1).sqrt()
        torch.testing.assert_close(pooled[item], torch.cat([mean, deviation]), atol=1e-3, rtol=1e-3)


def test_the_loss_of_codes_is_the_one_written_out():
    torch.manual_seed(0)
    codes, labels = torch.randn(6, 3), torch.tensor([0, 0, 1, 0, 2, 1])
    directions = codes / codes.norm(dim=1, keepdim=True)
    losses = []
    for own in range(6):
        partners = [other for other in range(6) if other != own and labels[other] == labels[own]]
        total = sum(math.exp(float(directions[own] @ directions[other]) / 0.2) for other in range(6) if other != own)
        terms = [math.log(total) - float(directions[own] @ directions[other]) / 0.2 for other in partners]
        if terms:
            losses.append(sum(terms) / len(terms))
    expected = sum(losses) / len(losses)
    assert float(supervised_contrastive(codes, labels, 0.2)) == pytest.approx(expected, rel=1e-5)
    assert float(supervised_contrastive(codes, torch.arange(6))) == 0.0


def test_codes_learn_to_tell_instruments_from_other_notes():
    """Instruments are offsets of the latents, notes are random: after a few steps unseen notes tell the instrument."""
    torch.manual_seed(0)
    encoder = StyleEncoder(latent_channels=8, channels=16, code_dim=4, layers=1)
    optimizer = torch.optim.AdamW(encoder.parameters(), lr=3e-3)
    instruments = torch.randn(12, 8, 1)
    labels = torch.arange(12).repeat(2)
    for _ in range(100):
        loss = supervised_contrastive(encoder(instruments[labels] + torch.randn(24, 8, 24)), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    codes = torch.nn.functional.normalize(encoder.eval()(instruments[labels] + torch.randn(24, 8, 24)), dim=1)
    nearest = (codes[:12] @ codes[12:].T).argmax(1)
    assert (nearest == torch.arange(12)).float().mean() > 0.8


def test_shapes_that_cannot_be_are_refused(encoder):
    for latents in (torch.randn(2, 7, 5), torch.randn(8, 5), torch.randn(1, 8, 0)):
        with pytest.raises(ValueError, match="got latents"):
            encoder(latents)
    with pytest.raises(ValueError, match="got sounding"):
        encoder(torch.randn(2, 8, 5), torch.ones(2, 5))
    with pytest.raises(ValueError, match="got codes"):
        supervised_contrastive(torch.randn(3, 2), torch.arange(2))


def test_a_saved_encoder_gives_the_same_codes(encoder, tmp_path):
    encoder.save_pretrained(tmp_path)
    latents = torch.randn(1, 8, 12)
    torch.testing.assert_close(StyleEncoder.from_pretrained(tmp_path)(latents), encoder(latents))
