"""Codecs: who is one as it is, who becomes one, and whole against piece by piece."""

import json
from types import SimpleNamespace

import pytest
import torch
from diffusers import AutoencoderOobleck
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from latentstem import AutoencoderSpectral
from latentstem.models import as_codec, load_codec
from latentstem.models.codec import decode_audio, decode_pieces, encode_audio, encode_pieces, encode_raw

pytestmark = pytest.mark.filterwarnings("ignore:`torch.nn.utils.weight_norm` is deprecated:FutureWarning")

HOP = 4


class Regrouping(nn.Module):
    """Regroups samples into frames: what is encoded is decoded to the bit."""

    dtype, device = torch.float32, torch.device("cpu")

    def __init__(self, **config):
        super().__init__()
        self.config = {
            "sampling_rate": 100,
            "audio_channels": 2,
            "hop_length": HOP,
            "latent_channels": 2 * HOP,
            **config,
        }

    def encode(self, audio):
        frames = audio.unflatten(-1, (-1, HOP)).permute(0, 1, 3, 2).flatten(1, 2)
        return SimpleNamespace(latents=frames)

    def decode(self, latents):
        return SimpleNamespace(sample=latents.unflatten(1, (2, HOP)).transpose(2, 3).flatten(2))


class Streaming(Regrouping):
    """The same, in pieces of a frame."""

    def encode_stream(self, pieces):
        audio = torch.cat(list(pieces), dim=-1)
        audio = torch.nn.functional.pad(audio, (0, -audio.shape[-1] % HOP))
        yield from (self.encode(piece).latents for piece in audio.split(HOP, dim=-1))

    def decode_stream(self, pieces):
        for latents in pieces:
            yield from (self.decode(frame).sample for frame in latents.split(1, dim=-1))


def test_ours_is_a_codec_as_it_is():
    codec = AutoencoderSpectral(audio_channels=2, hop_length=2048, latent_channels=3, channels=8, carriers=0)
    assert as_codec(codec) is codec
    assert (codec.sampling_rate, codec.hop_length, codec.audio_channels, codec.latent_channels) == (44100, 2048, 2, 3)


def test_oobleck_becomes_one_by_its_config():
    codec = as_codec(AutoencoderOobleck(8, [2, 4], [1, 2], 4, 6, audio_channels=2, sampling_rate=16_000))
    assert (codec.sampling_rate, codec.hop_length, codec.audio_channels, codec.latent_channels) == (16_000, 8, 2, 6)


@pytest.mark.parametrize("missing", ["sampling_rate", "hop_length", "audio_channels", "latent_channels"])
def test_what_does_not_say_its_numbers_is_no_codec(missing):
    with pytest.raises(TypeError, match=f"Regrouping is no codec: .* its {missing}"):
        as_codec(Regrouping(**{missing: None}))
    said = Regrouping(**{missing: None})
    setattr(said, missing, 7)
    assert getattr(as_codec(said), missing) == 7


@given(samples=st.integers(1, 40), pieces=st.integers(1, 50), streams=st.booleans())
def test_pieces_together_are_the_whole_and_come_back(samples, pieces, streams):
    statistics = {"latents_mean": [0.5] * 2 * HOP, "latents_std": [2.0] * 2 * HOP}
    codec = (Streaming if streams else Regrouping)(**statistics)
    audio = torch.randn(1, 2, samples)
    latents = encode_audio(codec, audio)
    assert latents.shape == (1, 2 * HOP, -(-samples // HOP))
    assert torch.allclose(encode_raw(codec, audio), 2 * latents + 0.5, atol=1e-6)
    tiles = list(encode_pieces(codec, audio.split(pieces, dim=-1)))
    assert len(tiles) == (latents.shape[-1] if streams else 1)
    assert torch.equal(torch.cat(tiles, dim=-1), latents)
    whole = decode_audio(codec, latents, samples)
    assert torch.allclose(whole, audio, atol=1e-6)
    assert torch.equal(torch.cat(list(decode_pieces(codec, latents, samples)), dim=-1), whole)


def test_without_statistics_latents_are_as_encoded():
    audio = torch.randn(1, 2, 12)
    assert torch.equal(encode_audio(Regrouping(), audio), Regrouping().encode(audio).latents)


def test_a_folder_is_loaded_by_the_class_that_saved_it(tmp_path):
    oobleck = AutoencoderOobleck(8, [2, 4], [1, 2], 4, 6, audio_channels=1, sampling_rate=16_000)
    oobleck.save_pretrained(tmp_path)
    loaded = load_codec(tmp_path)
    assert type(loaded) is AutoencoderOobleck and not loaded.training
    assert torch.equal(loaded.decoder.conv1.bias, oobleck.decoder.conv1.bias)
    for name in ("Tuba", "DiffusionPipeline", "MixFile"):
        (tmp_path / "config.json").write_text(json.dumps({"_class_name": name}))
        with pytest.raises(ValueError, match=f"is of '{name}', expected a model"):
            load_codec(tmp_path)
    with pytest.raises(ValueError, match=r"holds no config\.json"):
        load_codec(tmp_path / "nowhere")
