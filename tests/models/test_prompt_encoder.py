"""The joint embedding of sound and words, and its training."""

import pytest
import torch

from latentstem import PromptEncoder
from latentstem.training.latents import LatentTrack
from latentstem.training.prompt_encoder import LoopCrops, validate, word_loss
from latentstem.training.prompts import draw_captions, fits

WORDS = {"drums": ["beat"], "dark": [], "fast": []}  # in the order of the codes: dark, drums, fast


@pytest.fixture
def encoder():
    return PromptEncoder(WORDS, latent_channels=4, channels=16, code_dim=8, layers=1).eval()


@torch.no_grad()
def test_codes_have_length_one_and_do_not_depend_on_the_batch(encoder):
    latents = torch.randn(3, 4, 20)
    codes = encoder.embed_sound(latents)
    torch.testing.assert_close(codes.norm(dim=-1), torch.ones(3))
    torch.testing.assert_close(encoder.embed_sound(latents[1:2]), codes[1:2], atol=1e-5, rtol=0)
    prompts = encoder.embed_text(["beat, no dark", "fast"])
    torch.testing.assert_close(prompts.norm(dim=-1), torch.ones(2))
    torch.testing.assert_close(prompts, encoder.embed_words(torch.tensor([[-1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])))
    logits, _, _ = encoder(torch.tensor([[-1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]), latents)
    torch.testing.assert_close(logits, encoder.log_scale.exp() * prompts @ codes.T)


def test_a_saved_encoder_reads_the_same_words(encoder, tmp_path):
    encoder.save_pretrained(tmp_path)
    loaded = PromptEncoder.from_pretrained(tmp_path)
    assert loaded.vocabulary == encoder.vocabulary
    torch.testing.assert_close(loaded.embed_text(["beat"]), encoder.embed_text(["drums"]))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda encoder: encoder.embed_text(["a loop"]), "names nothing that is known; known: dark, drums, fast"),
        (lambda encoder: encoder.embed_text(["funky"]), "'funky', which is not known"),
        (lambda encoder: encoder.embed_words(torch.zeros(1, 2)), r"shape \(1, 2\); expected \(batch, 3\)"),
        (lambda encoder: encoder.embed_sound(torch.zeros(1, 3, 9)), r"expected \(batch, 4, frames\)"),
    ],
)
def test_what_cannot_be_embedded_is_refused(encoder, call, message):
    with pytest.raises(ValueError, match=message):
        call(encoder)


def test_captions_are_true_and_fit_their_own_loops():
    truth = torch.where(torch.rand(400, 12) < 0.4, 1.0, -1.0)
    captions = draw_captions(truth)
    assert (captions * truth >= 0).all()
    named = (captions > 0).sum(-1)
    assert (named >= 1)[(truth > 0).any(-1)].all() and named.max() == 5
    excluded = (captions < 0).sum(-1)
    assert 0.3 < (excluded > 0).float().mean() < 0.5 and excluded.max() == 2
    matches = fits(captions, truth)
    assert matches.diagonal().all()
    for caption, row in zip(captions[:20], matches, strict=False):
        expected = [all(words[caption > 0] > 0) and all(words[caption < 0] < 0) for words in truth]
        assert row.tolist() == expected


def test_the_loss_is_least_where_codes_agree_with_the_words():
    fitting = torch.tensor([[True, True, False], [False, False, True]])
    good = torch.where(fitting, 20.0, -20.0)
    assert word_loss(good, fitting) == pytest.approx((torch.log(torch.tensor(2.0)).item() + 0) / 4, abs=1e-4)
    assert word_loss(-good, fitting) > 10
    # Sounds without a caption count only among the others.
    alone = torch.cat([fitting, torch.zeros(2, 1, dtype=torch.bool)], dim=1)
    assert torch.isfinite(word_loss(torch.zeros(2, 4), alone))


def test_crops_come_in_pairs_and_depend_on_seed_and_step_alone():
    tracks = [LatentTrack(str(k), torch.full((4, 30), float(k)), {}, {"words": torch.full((3,), k)}) for k in range(5)]
    whole = iter(LoopCrops(tracks, 3, 8, seed=1))
    _, second = next(whole), next(whole)
    resumed = next(iter(LoopCrops(tracks, 3, 8, seed=1, first_step=1)))
    for crops, words in (second, resumed):
        assert crops.shape == (6, 4, 8)
        assert torch.equal(crops[:3, 0, 0], words[:, 0].float()) and torch.equal(crops[:3], crops[3:])
    assert torch.equal(second[0], resumed[0])


class Knowing:
    """Sounds and words on axes of their own: a perfect encoder of one frame."""

    device = torch.device("cpu")

    def embed_sound(self, latents):
        return torch.nn.functional.normalize(latents.mean(-1), dim=-1)

    def embed_words(self, presence):
        return torch.nn.functional.normalize(presence, dim=-1)


def test_validation_tells_a_perfect_encoder_from_a_blind_one():
    truths = [torch.tensor(signs) for signs in ([1.0, 1, -1], [1.0, -1, -1], [-1.0, 1, 1], [-1.0, -1, 1])]
    tracks = [LatentTrack(str(k), truth[:, None].expand(3, 10), {}, {"words": truth}) for k, truth in enumerate(truths)]
    assert validate(Knowing(), tracks) == {"told": 1.0, "top_1": 1.0, "missed": 0.0}
    swapped = [LatentTrack(t.name, -t.stem, {}, t.vectors) for t in tracks]
    assert validate(Knowing(), swapped)["told"] == 0.0
    assert validate(Knowing(), tracks[:1]) == {}
