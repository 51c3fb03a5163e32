"""Conditions by a tiny CLAP of random weights: equal to transformers' own, of length one, for sound and for words."""

import sys

import pytest
import torch

from latentstem import StemUNet1DModel
from latentstem.conditioning import ClapCondition

RATE = 48000


@pytest.fixture(scope="module")
def condition(tmp_path_factory, save_clap):
    return ClapCondition.from_pretrained(save_clap(tmp_path_factory.mktemp("clap")))


def tones(seconds):
    time = torch.arange(round(seconds * RATE)) / RATE
    return torch.stack([0.5 * torch.sin(6.283 * pitch * time * (1 + time))[None] for pitch in (80.0, 900.0)])


def test_words_are_embedded_as_transformers_does_it_each_by_itself(condition, save_clap):
    texts = ["deep sub bass", "bright bass", "deep"]
    found = condition.embed_text(texts)
    assert found.shape == (3, condition.channels) == (3, 16) and found.dtype == torch.float32
    for text, embedding in zip(texts, found, strict=True):
        ids = torch.tensor([[save_clap.words.index(word) for word in text.split()]])
        with torch.no_grad():
            expected = condition.model.get_text_features(ids, torch.ones_like(ids)).pooler_output[0]
        torch.testing.assert_close(embedding, expected / expected.norm(), atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(condition.embed_text(text)[0], embedding, atol=1e-5, rtol=1e-4)
    assert (found[0] - found[1]).abs().max() > 0.01
    torch.testing.assert_close(found.norm(dim=-1), torch.ones(3))


def test_a_long_description_is_read_from_its_beginning(condition):
    torch.testing.assert_close(condition.embed_text("deep " * 40), condition.embed_text("deep " * 8))


def test_sound_of_any_level_and_length_is_a_vector_of_length_one(condition):
    audio = tones(2.3)
    found = condition.embed_audio(audio, RATE)
    assert found.shape == (2, 16)
    torch.testing.assert_close(found.norm(dim=-1), torch.ones(2))
    assert (found[0] - found[1]).abs().max() > 0.02
    stereo = torch.cat([2 * audio, torch.zeros_like(audio)], dim=1)
    torch.testing.assert_close(condition.embed_audio(stereo, RATE), found, atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(condition.embed_audio(0.01 * audio, RATE), found, atol=1e-3, rtol=1e-2)


def test_a_denoiser_takes_the_embedding_as_a_global_condition(condition):
    unet = StemUNet1DModel(
        latent_channels=4,
        block_out_channels=(8,),
        layers_per_block=(1,),
        attention_head_dim=8,
        attention_levels=(False,),
        embedding_dim=16,
        global_conditions={"clap": condition.channels},
    )
    embeddings = condition.embed_text(["deep bass", "bright"])
    assert unet(torch.randn(2, 4, 9), 500, conditions={"clap": embeddings}).sample.shape == (2, 4, 9)


@pytest.mark.parametrize("audio", [torch.zeros(1, 480), torch.zeros(1, 1, 0), torch.zeros(1, 1, 9, dtype=torch.int16)])
def test_refuses_what_is_no_audio(condition, audio):
    with pytest.raises(ValueError, match=r"expected finite floats \(batch, channels, samples\)"):
        condition.embed_audio(audio, RATE)


def test_refuses_what_is_no_description(condition):
    for text in ("", [], ["bass", " "]):
        with pytest.raises(ValueError, match="expected a description or several"):
            condition.embed_text(text)
    wordless = ClapCondition(condition.model, condition.feature_extractor, tokenizer=None)
    with pytest.raises(ValueError, match="no tokenizer"):
        wordless.embed_text("bass")


def test_what_is_missing_is_named_and_nothing_is_downloaded(tmp_path, monkeypatch, save_clap):
    with pytest.raises(OSError, match=r"found no ClapModel .* under 'nobody/nothing'.* local_files_only=False"):
        ClapCondition.from_pretrained("nobody/nothing")
    with pytest.raises(OSError, match="found no words of a tokenizer"):
        ClapCondition.from_pretrained(save_clap(tmp_path / "wordless", with_tokenizer=False))
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ImportError, match=r"latentstem\[clap\]"):
        ClapCondition.from_pretrained(tmp_path)
