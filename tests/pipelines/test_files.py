"""From file to file: what is streamed is what the whole in memory gives, and memory does not grow with the length."""

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from latentstem import AudioContentError, MixFile, read_audio, resample, write_audio
from latentstem.audio import io

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def sampled(pipe, latents, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return pipe(mix_latents=latents, num_inference_steps=2, generator=generator, output_type="latent").audios


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    samples=st.integers(1, 60_000),
    rate=st.sampled_from([44100, 48000, 22050]),
    channels=st.integers(1, 2),
    block=st.integers(3_000, 30_000),
    tile_frames=st.integers(1, 8),
)
def test_the_stem_of_a_file_is_the_stem_of_its_samples(
    pipe, tmp_path, monkeypatch, samples, rate, channels, block, tile_frames
):
    monkeypatch.setattr(io, "_BLOCK_FRAMES", block)
    audio = 0.2 * torch.randn(channels, samples, generator=torch.Generator().manual_seed(samples))
    write_audio(tmp_path / "mix.wav", audio.clamp(-1, 1), rate)
    audio, _ = read_audio(tmp_path / "mix.wav")
    at_model_rate = resample(audio.mean(0, keepdim=True), rate, 44100)

    pipe.autoencoder.enable_tiling(tile_frames)
    mix = MixFile.encode(pipe, tmp_path / "mix.wav")
    latents, gain = pipe.encode_mix(at_model_rate[None])
    torch.testing.assert_close(mix.gain, gain)
    torch.testing.assert_close(mix.latents, latents, rtol=0, atol=1e-4)

    made = sampled(pipe, mix.latents)
    peak = mix.write_stem(pipe, made, tmp_path / "stem.wav")
    stem, stem_rate = read_audio(tmp_path / "stem.wav")
    (whole,) = pipe.decode_latents(made, at_model_rate.shape[1], gain)
    expected = resample(whole, 44100, rate, num_samples=samples)
    expected = expected / expected.abs().max().clamp(min=1)
    assert (stem_rate, stem.shape) == (rate, (1, samples))
    assert peak == pytest.approx(stem.abs().max().item(), abs=2**-22)
    torch.testing.assert_close(stem, expected, rtol=0, atol=1e-4)


def test_a_stem_beyond_full_scale_is_scaled_down_as_a_whole(pipe, tmp_path):
    write_audio(tmp_path / "mix.wav", 0.2 * torch.randn(1, 30_000).clamp(-4, 4), 44100)
    mix = MixFile.encode(pipe, tmp_path / "mix.wav")
    made = sampled(pipe, mix.latents)
    louder = MixFile(mix.reader, mix.samples, mix.latents, 1e-4 * mix.gain)
    mix.write_stem(pipe, made, tmp_path / "stem.wav")
    assert louder.write_stem(pipe, made, tmp_path / "loud.wav") == 1
    plain, loud = (read_audio(tmp_path / f"{name}.wav")[0] for name in ("stem", "loud"))
    torch.testing.assert_close(loud, plain / plain.abs().max(), rtol=0, atol=1e-4)


def test_a_stem_that_is_not_finite_leaves_no_file(pipe, tmp_path):
    write_audio(tmp_path / "mix.wav", 0.1 * torch.ones(1, 9000), 44100)
    mix = MixFile.encode(pipe, tmp_path / "mix.wav")
    with pytest.raises(AudioContentError, match="NaN"):
        mix.write_stem(pipe, torch.full_like(mix.latents, torch.nan), tmp_path / "stem.wav")
    assert [path.name for path in tmp_path.iterdir()] == ["mix.wav"]


def test_anti_phase_stereo_is_refused(pipe, tmp_path):
    tone = 0.5 * torch.sin(0.1 * torch.arange(9000))
    write_audio(tmp_path / "mix.wav", torch.stack([tone, -tone]), 48000)
    with pytest.raises(ValueError, match="anti-phase"):
        MixFile.encode(pipe, tmp_path / "mix.wav")
