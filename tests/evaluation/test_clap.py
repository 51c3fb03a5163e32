"""Embeddings by a tiny CLAP model of random weights: which audio enters which window, and with which weight."""

import sys

import numpy as np
import pytest
import torch
from transformers import ClapConfig, ClapFeatureExtractor, ClapModel

from latentstem.evaluation import ClapEmbedding

RATE = 48000
TRUNCATION = {False: "rand_trunc", True: "fusion"}


def save_clap(folder, seconds=1, fused=False):
    torch.manual_seed(0)
    sound = {"patch_embeds_hidden_size": 4, "hidden_size": 32, "depths": [1] * 4, "num_attention_heads": [1] * 4}
    sound |= {"enable_fusion": fused, "fusion_type": "aff_2d"}
    text = {"hidden_size": 4, "num_hidden_layers": 1, "num_attention_heads": 1, "vocab_size": 4}
    model = ClapModel(ClapConfig(text_config=text, audio_config=sound, projection_dim=16, initializer_factor=20.0))
    model.save_pretrained(folder)
    ClapFeatureExtractor(max_length_s=seconds, truncation=TRUNCATION[fused]).save_pretrained(folder)
    return folder


@pytest.fixture
def embed(tmp_path):
    """A CLAP model with windows of one second."""
    return ClapEmbedding.from_pretrained(save_clap(tmp_path))


def sounds(items, seconds):
    """Tones that climb by more than an octave, each item from another pitch: no two windows are alike."""
    time = np.arange(round(seconds * RATE)) / RATE
    return np.stack([0.5 * np.sin(2 * np.pi * 80.0 * 8**item * time * (1 + time / seconds)) for item in range(items)])


def test_a_window_is_embedded_as_transformers_does_it(tmp_path):
    audio = sounds(3, 10.0)
    save_clap(tmp_path, seconds=10)
    extractor, model = ClapFeatureExtractor.from_pretrained(tmp_path), ClapModel.from_pretrained(tmp_path)
    features = extractor(list(audio), sampling_rate=RATE, return_tensors="pt")
    with torch.no_grad():
        expected = model.get_audio_features(**features).pooler_output
    found = ClapEmbedding.from_pretrained(tmp_path)(audio, RATE)
    assert found.shape == (3, 16)
    assert np.abs(found - expected.numpy()).max() < 1e-5
    assert np.abs(found[0] - found[1]).max() > 0.05


def test_long_audio_is_the_mean_of_its_windows_weighed_by_their_length(embed):
    audio = sounds(2, 2.25)
    first, second, rest = (embed(window, RATE) for window in np.split(audio, [RATE, 2 * RATE], axis=1))
    assert min(np.abs(one - other).max() for one, other in ((first, second), (second, rest), (first, rest))) > 0.02
    assert np.allclose(embed(audio, RATE), (first + second + 0.25 * rest) / 2.25, atol=1e-5)


@pytest.mark.parametrize("fused", TRUNCATION)
def test_neither_chance_nor_the_other_items_nor_the_batch_matter(tmp_path, fused):
    audio = sounds(3, 2.5)
    together = ClapEmbedding.from_pretrained(save_clap(tmp_path, fused=fused))
    two_by_two = ClapEmbedding.from_pretrained(tmp_path, batch_size=2)
    expected = together(audio, RATE)
    assert np.array_equal(together(audio, RATE), expected)
    assert np.allclose(np.concatenate([together(item[None], RATE) for item in audio]), expected, atol=1e-5)
    assert np.allclose(two_by_two(audio, RATE), expected, atol=1e-5)


def test_the_rate_of_a_recording_does_not_matter(embed):
    tones = {rate: 0.5 * np.sin(2 * np.pi * 1000.0 * np.arange(rate) / rate)[None] for rate in (44100, RATE)}
    expected, other = embed(tones[RATE], RATE), embed(tones[44100], 44100)
    # Taken for 48 kHz the tone would be 1.5 semitones sharp.
    sharp = embed(tones[44100], RATE)
    assert np.abs(other - expected).max() < 0.1 * np.abs(sharp - expected).max()


def test_transformers_4_answers_with_a_tensor(embed, monkeypatch):
    audio, answer = sounds(1, 0.5), embed.model.get_audio_features
    expected = embed(audio, RATE)
    monkeypatch.setattr(embed.model, "get_audio_features", lambda *given, **call: answer(*given, **call).pooler_output)
    assert np.array_equal(embed(audio, RATE), expected)


@pytest.mark.parametrize(
    ("audio", "rate", "message"),
    [
        (np.zeros(480), RATE, r"shape \(480,\)"),
        (np.zeros((2, 0)), RATE, "not empty"),
        (np.zeros((1, 480), np.int16), RATE, "int16.*scale integers"),
        (np.array([[0.0, 0.0], [0.0, np.nan]]), RATE, "item 1"),
        (np.zeros((1, 480)), 0, "a whole number from 1"),
    ],
)
def test_what_cannot_be_embedded_is_named(embed, audio, rate, message):
    with pytest.raises(ValueError, match=message):
        embed(audio, rate)


def test_pickled_weights_are_not_read(tmp_path):
    save_clap(tmp_path)
    model = ClapModel.from_pretrained(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(OSError, match="safetensors"):
        ClapEmbedding.from_pretrained(tmp_path)


def test_without_transformers_the_error_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ImportError, match="pip install transformers"):
        ClapEmbedding.from_pretrained(tmp_path)
