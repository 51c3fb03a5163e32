"""From file to file: what is streamed is what the whole in memory gives, and memory does not grow with the length."""

from dataclasses import replace

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from latentstem import read_audio, resample, resample_periodic, write_audio
from latentstem.audio import io, resampled_length
from latentstem.pipelines import encode_mix_file, read_init_stem_file, write_stem_file
from latentstem.pipelines.output_files import add_to_mix, decode_stem

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def sampled(pipe, latents, seed=0, **options):
    options = {"sampling_rate": 44100, "generator": torch.Generator().manual_seed(seed), **options}
    return pipe(mix_latents=latents, num_inference_steps=2, output_type="latent", **options).audios


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
    mix = encode_mix_file(pipe, tmp_path / "mix.wav")
    latents, gain = pipe.encode_mix(at_model_rate[None])
    torch.testing.assert_close(mix.gain, gain)
    torch.testing.assert_close(mix.latents, latents, rtol=0, atol=1e-4)

    made = sampled(pipe, mix.latents)
    peak = write_stem_file(pipe, mix, made, tmp_path / "stem.wav")
    stem, stem_rate = read_audio(tmp_path / "stem.wav")
    (whole,) = pipe.decode_latents(made, at_model_rate.shape[1], gain)
    expected = resample(whole, 44100, rate, num_samples=samples)
    expected = expected / expected.abs().max().clamp(min=1)
    assert (stem_rate, stem.shape) == (rate, (1, samples))
    assert peak == pytest.approx(stem.abs().max().item(), abs=2**-22)
    torch.testing.assert_close(stem, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize(("rate", "samples"), [(44100, 30_001), (48000, 20_000), (22050, 9_999)])
def test_the_stem_of_a_looped_file_is_the_loop_of_its_samples(pipe, tmp_path, rate, samples):
    audio = 0.2 * torch.randn(1, samples, generator=torch.Generator().manual_seed(1)).clamp(-4, 4)
    write_audio(tmp_path / "mix.wav", audio, rate)
    audio, _ = read_audio(tmp_path / "mix.wav")
    mix = encode_mix_file(pipe, tmp_path / "mix.wav", loop=True)
    at_model_rate = resample_periodic(audio, resampled_length(samples, rate, 44100))
    whole = pipe(
        at_model_rate, 44100, loop=True, num_inference_steps=2, generator=torch.Generator().manual_seed(0)
    ).audios
    write_stem_file(pipe, mix, sampled(pipe, mix.latents, loop=True), tmp_path / "stem.wav")
    stem, stem_rate = read_audio(tmp_path / "stem.wav")
    expected = resample_periodic(whole[0], samples)
    assert (stem_rate, stem.shape) == (rate, (1, samples))
    torch.testing.assert_close(stem, expected / expected.abs().max().clamp(min=1), rtol=0, atol=1e-4)


def test_a_stem_beyond_full_scale_is_scaled_down_as_a_whole(pipe, tmp_path):
    write_audio(tmp_path / "mix.wav", 0.2 * torch.randn(1, 30_000).clamp(-4, 4), 44100)
    mix = encode_mix_file(pipe, tmp_path / "mix.wav")
    made = sampled(pipe, mix.latents)
    louder = replace(mix, gain=1e-4 * mix.gain)
    write_stem_file(pipe, mix, made, tmp_path / "stem.wav")
    assert write_stem_file(pipe, louder, made, tmp_path / "loud.wav") == 1
    plain, loud = (read_audio(tmp_path / f"{name}.wav")[0] for name in ("stem", "loud"))
    torch.testing.assert_close(loud, plain / plain.abs().max(), rtol=0, atol=1e-4)


def written(path, samples, rate, level=0.1, seed=0):
    noise = torch.randn(1, samples, generator=torch.Generator().manual_seed(seed))
    write_audio(path, (level * noise).clamp(-1, 1), rate)
    return read_audio(path)[0]


@pytest.mark.parametrize(
    "options", [{"strength": 0.5}, {"keep": [(0.1, 0.3)]}, {"strength": 0.5, "keep": [(0.1, None)]}]
)
def test_a_stem_is_varied_from_file_to_file_as_it_is_in_memory(pipe, tmp_path, monkeypatch, options):
    monkeypatch.setattr(io, "_BLOCK_FRAMES", 7_000)
    audio = written(tmp_path / "mix.wav", 30_000, 44100, level=0.3)
    stem = written(tmp_path / "stem.wav", 30_000, 44100, level=0.02, seed=1)
    mix = encode_mix_file(pipe, tmp_path / "mix.wav")
    init_stem = read_init_stem_file(pipe, tmp_path / "stem.wav", mix, **options)
    made = sampled(pipe, mix.latents, **init_stem.options)
    write_stem_file(pipe, mix, made, tmp_path / "varied.wav", init_stem=init_stem)
    generator = torch.Generator().manual_seed(0)
    call = {"sampling_rate": 44100, "num_inference_steps": 2, "init_stem": stem, **options}
    (expected,) = pipe(audio, generator=generator, **call).audios
    torch.testing.assert_close(read_audio(tmp_path / "varied.wav")[0], expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("rate", [44100, 48000, 22050])
@pytest.mark.parametrize("level", [0.1, 2.0])
def test_what_is_kept_is_written_as_it_was_and_mixed_with_the_rest(pipe, tmp_path, monkeypatch, rate, level):
    monkeypatch.setattr(io, "_BLOCK_FRAMES", 7_000)
    audio = written(tmp_path / "mix.wav", rate, rate)
    stem = written(tmp_path / "stem.wav", rate, rate, level=level, seed=1)  # at 2.0 it is at full scale
    mix = encode_mix_file(pipe, tmp_path / "mix.wav")
    init_stem = read_init_stem_file(pipe, tmp_path / "stem.wav", mix, keep=[(0.0, 0.25), (0.5, None)])
    made = sampled(pipe, mix.latents, **init_stem.options)
    peak = write_stem_file(pipe, mix, made, tmp_path / "new.wav", tmp_path / "both.wav", init_stem)
    with decode_stem(pipe, mix, made, tmp_path, init_stem) as track, add_to_mix(mix, track, tmp_path) as tracks:
        decoded = {name: torch.cat(list(audio.blocks()), dim=1) for name, audio in tracks.items()}
    new, both = (read_audio(tmp_path / name)[0] for name in ("new.wav", "both.wav"))
    fade = round(0.02 * rate)
    for kept in (slice(0, round(0.25 * rate) - fade), slice(round(0.5 * rate) + fade, rate)):
        assert torch.equal(new[:, kept], stem[:, kept])
    between = slice(round(0.3 * rate), round(0.45 * rate))
    assert (new[:, between] - stem[:, between]).abs().max() > 0.01
    assert new[:, between].square().mean() > 1e-6
    assert peak == pytest.approx(new.abs().max().item(), abs=2**-22)
    torch.testing.assert_close(decoded["stem"], new, rtol=0, atol=2**-22)
    torch.testing.assert_close(decoded["mix"], audio, rtol=0, atol=2**-22)
    total = audio + new
    torch.testing.assert_close(decoded["both"], total, rtol=0, atol=2**-20)
    torch.testing.assert_close(both, total / total.abs().max().clamp(min=1), rtol=0, atol=2**-20)


def test_a_stem_to_start_from_may_have_another_rate_and_other_channels(pipe, tmp_path):
    written(tmp_path / "mix.wav", 22_050, 22_050)
    tone = 0.5 * torch.sin(2 * torch.pi * 110 * torch.arange(48_000) / 48_000)
    write_audio(tmp_path / "stem.flac", torch.stack([1.5 * tone, 0.5 * tone]), 48_000)
    mix = encode_mix_file(pipe, tmp_path / "mix.wav")
    init_stem = read_init_stem_file(pipe, tmp_path / "stem.flac", mix, keep=[(0.0, None)])
    write_stem_file(
        pipe, mix, sampled(pipe, mix.latents, **init_stem.options), tmp_path / "new.wav", init_stem=init_stem
    )
    (new,), rate = read_audio(tmp_path / "new.wav")
    expected = 0.5 * torch.sin(2 * torch.pi * 110 * torch.arange(22_050) / 22_050)
    assert (rate, new.shape) == (22_050, expected.shape)
    assert (new - expected)[500:-500].abs().max() < 1e-3


def test_a_variation_is_as_loud_as_its_stem_and_one_of_silence_as_its_mix(pipe, tmp_path):
    written(tmp_path / "mix.wav", 30_000, 44100, level=0.2)
    mix = encode_mix_file(pipe, tmp_path / "mix.wav")
    made = 0.3 * sampled(pipe, mix.latents)
    levels = {}
    for name, level in (("loud", 0.02), ("soft", 0.002), ("silent", 0.0)):
        written(tmp_path / "stem.wav", 30_000, 44100, level=level)
        init_stem = read_init_stem_file(pipe, tmp_path / "stem.wav", mix, strength=0.5)
        levels[name] = write_stem_file(pipe, mix, made, tmp_path / "new.wav", init_stem=init_stem)
    assert levels["soft"] < levels["loud"] < 1
    assert levels["loud"] == pytest.approx(10 * levels["soft"], rel=1e-2)
    assert levels["silent"] == write_stem_file(pipe, mix, made, tmp_path / "plain.wav")


@pytest.mark.parametrize(("samples", "fits"), [(29_780, True), (30_220, True), (29_000, False), (31_000, False)])
def test_a_stem_to_start_from_is_as_long_as_the_mix_but_for_rounding(pipe, tmp_path, samples, fits):
    written(tmp_path / "mix.wav", 30_000, 44100)
    stem = written(tmp_path / "stem.wav", samples, 44100)
    mix = encode_mix_file(pipe, tmp_path / "mix.wav")
    if not fits:
        with pytest.raises(ValueError, match=rf"lasts {samples / 44100:.3f} s, and the mix 0\.680 s"):
            read_init_stem_file(pipe, tmp_path / "stem.wav", mix)
        return
    init_stem = read_init_stem_file(pipe, tmp_path / "stem.wav", mix).options["init_stem"]
    assert init_stem.shape == (1, 30_000)
    both = min(samples, 30_000)
    assert torch.equal(init_stem[:, :both], stem[:, :both]) and not init_stem[:, both:].any()


def test_a_stem_that_is_not_finite_leaves_no_file(pipe, tmp_path):
    write_audio(tmp_path / "mix.wav", 0.1 * torch.ones(1, 9000), 44100)
    mix = encode_mix_file(pipe, tmp_path / "mix.wav")
    with pytest.raises(ValueError, match="got normalized latents with NaN"):
        write_stem_file(pipe, mix, torch.full_like(mix.latents, torch.nan), tmp_path / "stem.wav")
    assert [path.name for path in tmp_path.iterdir()] == ["mix.wav"]


def test_anti_phase_stereo_is_refused(pipe, tmp_path):
    tone = 0.5 * torch.sin(0.1 * torch.arange(9000))
    write_audio(tmp_path / "mix.wav", torch.stack([tone, -tone]), 48000)
    with pytest.raises(ValueError, match="anti-phase"):
        encode_mix_file(pipe, tmp_path / "mix.wav")


def test_a_stereo_model_encodes_both_sides_of_a_file_and_refuses_a_mono_one(build_pipeline, tmp_path):
    pipe = build_pipeline(audio_channels=2)
    stereo = 0.2 * torch.randn(2, 9000).clamp(-4, 4)
    write_audio(tmp_path / "mix.wav", stereo, 44100)
    mix = encode_mix_file(pipe, tmp_path / "mix.wav")
    latents, _ = pipe.encode_mix(read_audio(tmp_path / "mix.wav")[0][None])
    torch.testing.assert_close(mix.latents, latents.detach(), rtol=0, atol=1e-4)
    write_stem_file(pipe, mix, sampled(pipe, mix.latents), tmp_path / "stem.wav")
    assert read_audio(tmp_path / "stem.wav")[0].shape == (2, 9000)
    write_audio(tmp_path / "mono.wav", stereo[:1], 44100)
    with pytest.raises(ValueError, match=r"mono\.wav is mono and the weights are stereo"):
        encode_mix_file(pipe, tmp_path / "mono.wav")
