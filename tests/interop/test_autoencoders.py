"""Autoencoders of others: diffusers' Oobleck as it is, transformers' EnCodec as `EncodecCodec`."""

import runpy
import sys
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderOobleck, DiffusionPipeline
from transformers import EncodecConfig, EncodecModel

import latentstem
from latentstem import EncodecCodec, StemAccompanimentPipeline, StyleGrounding, read_audio, resample, write_audio
from latentstem.cli import main
from latentstem.models.codec import encode_audio
from latentstem.pipelines import encode_mix_file, write_stem_file
from latentstem.pipelines.quality import Quality
from latentstem.ui.generator import Generator, Sampling
from latentstem.ui.requests import GenerationRequest

pytestmark = pytest.mark.filterwarnings("ignore:`torch.nn.utils.weight_norm` is deprecated:FutureWarning")

EXAMPLE = Path(latentstem.__file__).parents[1] / "examples" / "encodec_autoencoder.py"
CHANNELS = 4  # of the latents, as the tiny net of the tests has


def oobleck():
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


def encodec(**statistics):
    torch.manual_seed(0)
    config = EncodecConfig(num_filters=4, hidden_size=CHANNELS, upsampling_ratios=[8, 5, 2], codebook_size=16)
    return EncodecCodec.wrap(EncodecModel(config), **statistics)


@pytest.fixture(params=[oobleck, encodec], ids=lambda build: build.__name__)
def pipe(build_pipeline, request):
    """The pipeline of the tests with another's autoencoder."""
    ours = build_pipeline()
    made = StemAccompanimentPipeline(**{**ours.components, "autoencoder": request.param()})
    made.set_progress_bar_config(disable=True)
    return made


def raw_latents(autoencoder, audio):
    """By the library's own words, nothing of ours."""
    with torch.no_grad():
        if isinstance(autoencoder, AutoencoderOobleck):
            return autoencoder.encode(audio).latent_dist.mean
        return autoencoder.encoder(audio)


def raw_audio(autoencoder, latents):
    with torch.no_grad():
        if isinstance(autoencoder, AutoencoderOobleck):
            return autoencoder.decoder(latents)
        return autoencoder.decoder(latents)


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


def test_without_statistics_latents_count_as_normalized(pipe):
    mix = 0.1 * torch.randn(2, 1, 20 * pipe.hop_length)
    with torch.no_grad():
        latents, gain = pipe.encode_mix(mix)
        back = pipe.decode_latents(latents, mix.shape[-1], torch.full((2,), 100.0))
    assert torch.equal(latents, raw_latents(pipe.autoencoder, mix * gain[:, None, None]))
    torch.testing.assert_close(back, raw_audio(pipe.autoencoder, latents) / 100)


def test_the_mix_is_heard_and_a_style_sets_the_mean(pipe):
    mix, style = (0.1 * torch.randn(2, 1, 1, 40 * pipe.hop_length)).unbind()
    matched, swapped = (generate(pipe, each, output_type="latent") for each in (mix, style))
    assert not torch.allclose(matched, swapped, atol=1e-3)
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


def test_the_pipeline_is_saved_and_loaded_with_its_codec(pipe, tmp_path, has_weights_of):
    pipe.save_pretrained(tmp_path)
    loaded = StemAccompanimentPipeline.from_pretrained(tmp_path)
    loaded.set_progress_bar_config(disable=True)
    assert isinstance(loaded, DiffusionPipeline) and type(loaded.autoencoder) is type(pipe.autoencoder)
    assert has_weights_of(loaded.unet, pipe.unet) and has_weights_of(loaded.autoencoder, pipe.autoencoder)
    mix = 0.1 * torch.randn(1, 3000)
    torch.testing.assert_close(generate(loaded, mix), generate(pipe, mix))


def test_encodec_is_what_transformers_has_and_keeps_its_statistics(tmp_path, has_weights_of):
    net = EncodecModel(EncodecConfig(num_filters=4, hidden_size=CHANNELS, codebook_size=16)).eval()
    saved = EncodecCodec.wrap(net, latents_mean=[0.5] * CHANNELS, latents_std=[2.0] * CHANNELS)
    saved.save_pretrained(tmp_path)
    loaded = EncodecCodec.from_pretrained(tmp_path)
    assert has_weights_of(loaded, saved)
    audio = torch.randn(1, 1, 3200)
    with torch.no_grad():
        latents = net.encoder(audio)
        torch.testing.assert_close(loaded.encode(audio).latents, latents)
        torch.testing.assert_close(loaded.decode(latents).sample, net.decoder(latents))
    assert loaded.config.latents_mean == [0.5] * CHANNELS and loaded.config.latents_std == [2.0] * CHANNELS


def test_encodec_without_transformers_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ImportError, match=r'EncodecCodec needs transformers.*pip install "latentstem\[encodec\]"'):
        EncodecCodec()


def test_statistics_of_another_autoencoder_are_used(build_pipeline):
    plain, pipe = (
        StemAccompanimentPipeline(**{**build_pipeline().components, "autoencoder": encodec(**statistics)})
        for statistics in ({}, {"latents_mean": [0.5] * CHANNELS, "latents_std": [2.0] * CHANNELS})
    )
    mix = 0.1 * torch.randn(1, 1, 1600)
    with torch.no_grad():
        torch.testing.assert_close(2 * pipe.encode_mix(mix)[0] + 0.5, plain.encode_mix(mix)[0])


def test_an_autoencoder_with_another_hop_than_it_says_is_refused():
    autoencoder = oobleck()
    autoencoder.register_to_config(hop_length=32)
    with pytest.raises(ValueError, match="returns 62 frames for 4000 samples, expected 125"):
        encode_audio(autoencoder, 0.1 * torch.randn(1, 1, 4000))


@pytest.mark.parametrize("rate", [8000, 48000])
@pytest.mark.parametrize("samples", [4001, 20_000])
def test_from_file_to_file_it_is_the_call(pipe, tmp_path, rate, samples):
    write_audio(tmp_path / "mix.wav", 0.1 * torch.randn(2, samples), rate)
    mix = encode_mix_file(pipe, tmp_path / "mix.wav")
    audio = resample(read_audio(tmp_path / "mix.wav")[0].mean(0, keepdim=True), rate, pipe.sampling_rate)
    torch.testing.assert_close(mix.latents, pipe.encode_mix(audio[None])[0].detach(), rtol=0, atol=1e-4)
    call = {"num_inference_steps": 2, "generator": torch.Generator().manual_seed(0)}
    made = pipe(mix_latents=mix.latents, output_type="latent", **call).audios
    write_stem_file(pipe, mix, made, tmp_path / "stem.wav")
    stem, stem_rate = read_audio(tmp_path / "stem.wav")
    whole = resample(pipe.decode_latents(made, audio.shape[1], mix.gain)[0].detach(), pipe.sampling_rate, rate, samples)
    assert (stem_rate, stem.shape) == (rate, (1, samples)) and stem.std() > 1e-4
    torch.testing.assert_close(stem, whole / whole.abs().max().clamp(min=1), rtol=0, atol=1e-4)


@pytest.fixture
def mix(tmp_path):
    path = tmp_path / "my mix.wav"
    write_audio(path, 0.1 * torch.randn(2, 12_345), 22_050)
    return path


@pytest.mark.parametrize("style", [False, True])
def test_the_command_line_writes_a_stem_as_long_as_the_mix(pipe, mix, tmp_path, monkeypatch, style, capfd):
    pipe.register_to_config(target="strings")
    pipe.save_pretrained(tmp_path / "weights")
    monkeypatch.chdir(tmp_path)
    words = ["accompany", mix, "--weights", tmp_path / "weights", "--steps", 2, "--device", "cpu", "--preview"]
    code = main([str(word) for word in (*words, *(["--style", mix] if style else []))])
    assert code == 0, capfd.readouterr().err
    stem, rate = read_audio(tmp_path / "strings.wav")
    assert (rate, stem.shape) == (22_050, (1, 12_345)) and stem.std() > 1e-4
    assert (tmp_path / "strings-with-mix.wav").is_file() and (tmp_path / "strings.png").is_file()


def test_the_page_makes_a_stem_as_long_as_the_mix(pipe, mix, tmp_path):
    (tmp_path / "run").mkdir()
    pipe.register_to_config(target="strings")
    *progress, take = Generator(pipe).generate(GenerationRequest(mix, quality=Quality.FAST), tmp_path / "run")
    stem, rate = read_audio(take.stem.file)
    assert take.stem.file.name == "my mix-strings-0.wav"
    assert (rate, stem.shape) == (22_050, (1, 12_345)) and stem.std() > 1e-4
    assert all(isinstance(moment, Sampling) for moment in progress)


def test_the_example_runs(capsys):
    runpy.run_path(str(EXAMPLE))["main"]()
    assert capsys.readouterr().out == "48000 samples at 24000 Hz for a mix of 48000\n"
