"""Autoencoders of others in the pipeline: diffusers' Oobleck as it is, transformers' EnCodec through the example."""

import runpy
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderOobleck, DiffusionPipeline
from transformers import EncodecConfig, EncodecModel

import latentstem
from latentstem import MixFile, StemAccompanimentPipeline, StyleGrounding, write_audio

pytestmark = pytest.mark.filterwarnings("ignore:`torch.nn.utils.weight_norm` is deprecated:FutureWarning")

EXAMPLE = Path(latentstem.__file__).parents[1] / "examples" / "encodec_autoencoder.py"
CHANNELS = 4  # of the latents, as the tiny net of the tests has


@pytest.fixture(scope="module")
def example():
    return runpy.run_path(str(EXAMPLE))


def oobleck(**_):
    torch.manual_seed(0)
    return AutoencoderOobleck(
        encoder_hidden_size=2 * CHANNELS,
        downsampling_ratios=[2, 4, 8],
        channel_multiples=[1, 2, 2],
        decoder_channels=4,
        decoder_input_channels=CHANNELS,
        audio_channels=1,
        sampling_rate=16_000,
    ).eval()


def encodec(example):
    torch.manual_seed(0)
    config = EncodecConfig(num_filters=4, hidden_size=CHANNELS, upsampling_ratios=[8, 5, 2], codebook_size=16)
    return example["AutoencoderEncodec"].wrap(EncodecModel(config))


@pytest.fixture(params=[oobleck, encodec], ids=lambda build: build.__name__)
def pipe(build_pipeline, example, request):
    """The pipeline of the tests with another's autoencoder."""
    ours = build_pipeline()
    made = StemAccompanimentPipeline(**{**ours.components, "autoencoder": request.param(example=example)})
    made.set_progress_bar_config(disable=True)
    return made


def raw_latents(autoencoder, audio):
    """By the library's own words, nothing of ours."""
    with torch.no_grad():
        if isinstance(autoencoder, AutoencoderOobleck):
            return autoencoder.encode(audio).latent_dist.mean
        return autoencoder.net.encoder(audio)


def raw_audio(autoencoder, latents):
    with torch.no_grad():
        if isinstance(autoencoder, AutoencoderOobleck):
            return autoencoder.decoder(latents)
        return autoencoder.net.decoder(latents)


def generate(pipe, mix, **options):
    options = {"num_inference_steps": 2, "generator": torch.Generator().manual_seed(0), **options}
    return pipe(mix, sampling_rate=pipe.sampling_rate, **options).audios


@pytest.mark.parametrize("spare", [0, 1, 37])
def test_the_stem_is_sample_for_sample_as_long_as_the_mix(pipe, spare):
    assert pipe.hop_length == {"AutoencoderOobleck": 64}.get(type(pipe.autoencoder).__name__, 80)
    mix = 0.1 * torch.randn(1, 20 * pipe.hop_length + spare)
    assert generate(pipe, mix, output_type="latent").shape == (1, CHANNELS, 20 + (spare > 0))
    stem = generate(pipe, mix)
    assert stem.shape == (1, 1, mix.shape[-1])
    assert stem.isfinite().all() and stem.std() > 0


def test_without_statistics_latents_count_as_normalised(pipe):
    mix = 0.1 * torch.randn(2, 1, 20 * pipe.hop_length)
    with torch.no_grad():
        latents, gain = pipe.encode_mix(mix)
        back = pipe.decode_latents(latents, mix.shape[-1], torch.full((2,), 100.0))
    assert torch.equal(latents, raw_latents(pipe.autoencoder, mix * gain[:, None, None]))
    torch.testing.assert_close(back, raw_audio(pipe.autoencoder, latents) / 100)


def test_the_mix_is_heard_and_a_style_sets_the_mean(pipe):
    mix, style = (0.1 * torch.randn(2, 1, 1, 40 * pipe.hop_length)).unbind()
    heard, swapped = (generate(pipe, each, output_type="latent") for each in (mix, style))
    assert not torch.allclose(heard, swapped, atol=1e-3)
    hook = StyleGrounding.from_audio(style, pipe.autoencoder)
    styled = generate(pipe, mix, style=style, output_type="latent")
    torch.testing.assert_close(styled.mean(-1)[0], hook.reference, atol=1e-3, rtol=0)


def test_loops_and_variations_work(pipe):
    mix = 0.1 * torch.randn(1, 40 * pipe.hop_length + 11)
    assert generate(pipe, mix, loop=True).shape == (1, 1, mix.shape[-1])
    kept = generate(pipe, mix, init_stem=mix.flip(-1), keep=[(0.0, 0.05)])
    assert torch.equal(kept[0, :, : pipe.sampling_rate // 50], mix.flip(-1)[:, : pipe.sampling_rate // 50])


def test_half_precision_is_finite(pipe):
    stem = generate(pipe.to(torch.bfloat16), 0.1 * torch.randn(1, 3000))
    assert stem.dtype == torch.float32 and stem.isfinite().all()


def test_oobleck_is_saved_and_loaded_with_the_pipeline(build_pipeline, tmp_path):
    pipe = StemAccompanimentPipeline(**{**build_pipeline().components, "autoencoder": oobleck()})
    pipe.save_pretrained(tmp_path)
    loaded = StemAccompanimentPipeline.from_pretrained(tmp_path)
    for each in (pipe, loaded):
        each.set_progress_bar_config(disable=True)
    assert isinstance(loaded, DiffusionPipeline) and isinstance(loaded.autoencoder, AutoencoderOobleck)
    mix = 0.1 * torch.randn(1, 3000)
    assert torch.equal(generate(loaded, mix), generate(pipe, mix))


def test_the_adapter_is_saved_and_loaded_alone(example, tmp_path):
    statistics = {"latents_mean": [0.5] * CHANNELS, "latents_std": [2.0] * CHANNELS}
    net = EncodecModel(EncodecConfig(num_filters=4, hidden_size=CHANNELS, codebook_size=16))
    saved = example["AutoencoderEncodec"].wrap(net, **statistics)
    saved.save_pretrained(tmp_path)
    loaded = type(saved).from_pretrained(tmp_path)
    audio = torch.randn(1, 1, 3200)
    assert torch.equal(raw_latents(loaded, audio), raw_latents(saved, audio))
    assert loaded.config.latents_std == statistics["latents_std"]
    with pytest.raises(ValueError, match="second by second"):
        example["AutoencoderEncodec"].wrap(EncodecModel(EncodecConfig(num_filters=4, chunk_length_s=1.0)))


def test_statistics_of_another_autoencoder_are_used(build_pipeline, example):
    plain, pipe = (
        StemAccompanimentPipeline(**{**build_pipeline().components, "autoencoder": encodec(example)}) for _ in range(2)
    )
    pipe.autoencoder.register_to_config(latents_mean=[0.5] * CHANNELS, latents_std=[2.0] * CHANNELS)
    mix = 0.1 * torch.randn(1, 1, 1600)
    with torch.no_grad():
        torch.testing.assert_close(2 * pipe.encode_mix(mix)[0] + 0.5, plain.encode_mix(mix)[0])


def test_what_cannot_work_says_so(pipe, tmp_path):
    write_audio(tmp_path / "mix.wav", 0.1 * torch.randn(1, 4000), pipe.sampling_rate)
    with pytest.raises(TypeError, match="has no encode_stream"):
        MixFile.encode(pipe, tmp_path / "mix.wav")
    pipe.autoencoder.register_to_config(hop_length=pipe.hop_length // 2)
    with pytest.raises(ValueError, match="one for each"):
        pipe.encode_mix(0.1 * torch.randn(1, 1, 4000))


def test_the_example_runs(example, capsys):
    example["main"]()
    assert capsys.readouterr().out == "48000 samples at 24000 Hz for a mix of 48000\n"
