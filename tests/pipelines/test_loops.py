"""Loops: a pipeline that knows no beginning and no end."""

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from latentstem import StemUNet1DModel

HOP, RATE = 4096, 44100
SHARED = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def local_pipe(build_pipeline):
    """A net that sees no further than the surroundings of a loop that it is given: convolutions alone."""
    pipe = build_pipeline()
    torch.manual_seed(1)
    pipe.unet = StemUNet1DModel(
        latent_channels=4,
        block_out_channels=(8,),
        layers_per_block=(1,),
        attention_head_dim=8,
        attention_levels=(False,),
        embedding_dim=16,
    ).eval()
    for parameter in pipe.unet.conv_out.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return pipe


@SHARED
@given(frames=st.integers(1, 12), turned=st.integers(0, 12))
def test_turning_a_loop_turns_its_latents(pipe, frames, turned):
    audio = 0.1 * torch.randn(1, 1, frames * HOP, generator=seeded())
    latents, _ = pipe.encode_mix(audio, pipe.boundary(loop=True))
    moved, _ = pipe.encode_mix(audio.roll(turned * HOP, -1), pipe.boundary(loop=True))
    torch.testing.assert_close(moved, latents.roll(turned, -1), atol=1e-4, rtol=0)


@SHARED
@given(frames=st.integers(1, 12), turned=st.integers(0, 12))
def test_turning_mix_and_noise_turns_the_stem(local_pipe, frames, turned):
    mix, noise = torch.randn(2, 1, 4, frames, generator=seeded(frames))
    call = {"num_inference_steps": 3, "output_type": "latent", "loop": True}
    stem = local_pipe(mix_latents=mix, latents=noise, **call).audios
    moved = local_pipe(mix_latents=mix.roll(turned, -1), latents=noise.roll(turned, -1), **call).audios
    torch.testing.assert_close(moved, stem.roll(turned, -1), atol=1e-4, rtol=0)
    if turned % frames:
        straight = local_pipe(mix_latents=mix, latents=noise, **call | {"loop": False}).audios
        assert not torch.allclose(straight, stem, atol=1e-3)


@SHARED
@given(st.integers(1, 60_000))
def test_a_loop_is_as_long_as_its_mix(pipe, samples):
    mix = 0.1 * torch.randn(1, samples, generator=seeded())
    out = pipe(mix, RATE, loop=True, num_inference_steps=2, generator=seeded())
    assert out.audios.shape == (1, 1, samples) and torch.isfinite(out.audios).all()


@SHARED
@given(st.integers(9000, 40_000), st.sampled_from([0, 8]))
def test_the_end_leads_into_the_beginning(build_pipeline, samples, carriers):
    pipe = build_pipeline(carriers=carriers)
    loop = pipe.boundary(loop=True)
    latents = torch.randn(1, 4, loop.count_frames(samples), generator=seeded(samples))
    turn = pipe.decode_latents(latents, samples, torch.ones(1), boundary=loop)[0, 0]
    steps = (turn.roll(-1) - turn).abs()
    assert steps[-1] <= 1.5 * steps[:-1].max()
    if not carriers:  # the second turn of two in a row is the first, as nothing tells one from the other
        twice = pipe.decode_latents(latents.repeat(1, 1, 2), 2 * samples, torch.ones(1), boundary=loop)[0, 0]
        torch.testing.assert_close(twice, turn.repeat(2), atol=1e-4, rtol=0)


def test_a_loop_can_be_varied(pipe):
    stem = 0.1 * torch.sin(torch.arange(20_000) * 2 * torch.pi * 80 / 20_000)[None]
    call = {"sampling_rate": RATE, "init_stem": stem, "loop": True, "num_inference_steps": 4, "generator": seeded()}
    assert pipe(0.1 * torch.randn(1, 20_000), **call, strength=0.5).audios.shape == (1, 1, 20_000)


@pytest.mark.parametrize("anew", [2, 5])  # in the middle of a turn, and over its end
def test_what_is_kept_of_a_loop_turns_with_it(local_pipe, anew):
    frames, fade = 6, round(0.02 * RATE)
    mix, stem = 0.1 * torch.randn(2, 1, frames * HOP, generator=seeded())
    noise = torch.randn(1, 4, frames, generator=seeded(1))
    call = {"sampling_rate": RATE, "loop": True, "num_inference_steps": 2}
    first = local_pipe(mix, **call, init_stem=stem, latents=noise, keep=[(2 * HOP / RATE, None)]).audios
    middle, end = anew * HOP / RATE, ((anew + 2) % frames) * HOP / RATE
    keep = [(end, middle)] if end < middle else [(0.0, middle), (end, None)]
    turned = {"init_stem": stem.roll(anew * HOP, -1), "latents": noise.roll(anew, -1), "keep": keep}
    out = local_pipe(mix.roll(anew * HOP, -1), **call, **turned).audios.roll(-anew * HOP, -1)
    sure = slice(2 * HOP + fade, frames * HOP - fade)
    assert torch.equal(first[0, :, sure], stem[:, sure]) and torch.equal(out[0, :, sure], stem[:, sure])
    assert not torch.allclose(first[0, :, : 2 * HOP], stem[:, : 2 * HOP], atol=0.01)
    # The bank of oscillators starts with its phases at the beginning of a turn; the rest turns to the sample.
    torch.testing.assert_close(out, first, atol=1e-3, rtol=0)


def test_latents_of_a_loop_take_the_durations_that_round_to_them(pipe):
    latents = torch.randn(1, 4, 3, generator=seeded())
    call = {"num_inference_steps": 2, "generator": seeded(), "loop": True, "mix_latents": latents}
    for samples in (int(2.6 * HOP), int(3.4 * HOP)):
        assert pipe(**call, duration=samples / RATE).audios.shape[-1] == samples
    with pytest.raises(ValueError, match="mix_latents has 3 frames"):
        pipe(**call, duration=3.6 * HOP / RATE)
