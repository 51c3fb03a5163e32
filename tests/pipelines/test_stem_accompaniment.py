import numpy as np
import pytest
import torch
from diffusers import (
    ClassifierFreeGuidance,
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EDMEulerScheduler,
    EulerDiscreteScheduler,
    HeunDiscreteScheduler,
    UniPCMultistepScheduler,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from latentstem import CosineDDIMScheduler, StemAccompanimentPipeline, StyleGrounding, on_denoised
from latentstem.audio import active_rms
from latentstem.models.latent_scaling import normalize_latents

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def run(pipe, mix=None, **options):
    options = {"num_inference_steps": 4, "generator": seeded(), **options}
    rate = {"sampling_rate": 44100} if mix is not None or "style" in options else {}
    return pipe(mix, **rate, **options).audios


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(samples=st.integers(1, 20_000))
def test_the_stem_is_sample_for_sample_as_long_as_the_mix(pipe, samples):
    stem = run(pipe, 0.1 * torch.randn(1, samples), num_inference_steps=1)
    assert stem.shape == (1, 1, samples)
    assert torch.isfinite(stem).all()
    assert stem.abs().max() <= 1


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(samples=st.integers(1, 30_000), spare=st.integers(0, 5), overlap=st.integers(0, 9))
def test_windows_that_cover_the_mix_change_nothing_and_shorter_ones_blend(pipe, samples, spare, overlap):
    mix = 0.2 * torch.randn(1, samples, generator=seeded(5))
    frames = pipe.count_frames(samples)
    pipe.disable_windows()
    whole = run(pipe, mix, output_type="latent")
    pipe.enable_windows(frames + spare, overlap=min(overlap, (frames + spare) // 2))
    assert torch.equal(run(pipe, mix, output_type="latent"), whole)
    if frames > 2:
        pipe.enable_windows(2, overlap=1)
        assert (run(pipe, mix, output_type="latent") - whole).abs().max() > 1e-4


def test_the_same_call_gives_the_same_bits_and_another_seed_does_not(pipe, mix):
    assert torch.equal(run(pipe, mix), run(pipe, mix))
    assert not torch.allclose(run(pipe, mix), run(pipe, mix, generator=seeded(1)), atol=1e-4)


def test_the_mix_is_heard(pipe, mix):
    other = 0.2 * torch.sin(torch.arange(9000) * 0.05)[None]
    matched, swapped = (run(pipe, each, output_type="latent") for each in (mix, other))
    assert (matched - swapped).abs().mean() > 0.1 * matched.std()


def test_the_level_of_the_mix_is_the_level_of_the_stem_and_nothing_else(pipe, mix):
    stem, quiet = run(pipe, 0.1 * mix), run(pipe, 0.01 * mix)
    assert torch.allclose(0.1 * stem, quiet, atol=1e-5)
    assert run(pipe, 0 * mix).isfinite().all()


def test_a_loud_stem_is_scaled_down_and_not_clipped(pipe, mix):
    reference = run(pipe, 1e-3 * mix)
    loud = run(pipe, 1e4 * mix)
    assert loud.abs().max() == 1
    assert torch.allclose(loud, reference / reference.abs().max(), atol=1e-3)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(samples=st.integers(1, 20_000), mixes=st.integers(1, 3), copies=st.integers(1, 3))
def test_an_item_of_a_batch_is_the_single_run_with_its_generator(pipe, samples, mixes, copies):
    frames, seeds = pipe.count_frames(samples), range(mixes * copies)
    batch_mix = 0.1 * torch.randn(mixes, 1, samples, generator=seeded(7))
    noise = pipe.prepare_latents(len(seeds), frames, [seeded(i) for i in seeds], None)
    batch = run(
        pipe,
        batch_mix,
        num_waveforms_per_prompt=copies,
        generator=[seeded(i) for i in seeds],
        output_type="latent",
    )
    assert batch.shape == (len(seeds), 4, frames)
    for item in seeds:
        assert torch.equal(noise[item : item + 1], pipe.prepare_latents(1, frames, seeded(item), None))
        single = run(pipe, batch_mix[item // copies], generator=seeded(item), output_type="latent")
        assert torch.allclose(batch[item : item + 1], single, atol=1e-4)


def test_a_seed_is_that_of_the_first_stem_and_the_others_have_the_next(pipe, mix):
    two = run(pipe, mix, generator=6, num_waveforms_per_prompt=2)
    for index, seed in enumerate((6, 7)):
        torch.testing.assert_close(two[index : index + 1], run(pipe, mix, generator=seed), atol=1e-4, rtol=0)
    assert torch.equal(run(pipe, mix, generator=7), run(pipe, mix, generator=seeded(7)))


def test_weights_are_loaded_by_name_unless_a_pipeline_is_saved_there(pipe, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bass").mkdir()  # of recordings
    shipped = StemAccompanimentPipeline.from_pretrained("bass")
    assert shipped.unet.config.latent_channels == 64
    pipe.save_pretrained(tmp_path / "bass")
    for name in ("bass", tmp_path / "bass"):
        assert StemAccompanimentPipeline.from_pretrained(name).unet.config.latent_channels == 4


def test_guidance_is_the_guiders_unless_the_call_says_otherwise(build_pipeline, mix):
    saved, plain = build_pipeline(guidance_scale=3.0, guidance_rescale=0.2), build_pipeline(guidance_scale=1.0)
    called = run(plain, mix, guidance_scale=3.0, guidance_rescale=0.2)
    assert torch.equal(run(saved, mix), called)
    assert plain.guider.guidance_scale == 1.0
    assert not torch.allclose(run(plain, mix), called, atol=1e-4)
    assert torch.equal(run(plain, mix, guidance_rescale=1.0), run(plain, mix))  # no guidance, nothing to take back


def test_guided_steps_follow_the_equations_in_the_space_of_clean_samples(build_pipeline, mix):
    pipe = build_pipeline(guidance_scale=3.0, guidance_rescale=0.6)
    mix_latents, _ = pipe.encode_mix(mix[None])
    latents = torch.randn(1, 4, mix_latents.shape[-1])
    seen = run(pipe, mix, latents=latents, num_inference_steps=1, output_type="latent")
    alpha = CosineDDIMScheduler().alphas_cumprod[-1]
    with torch.no_grad():
        cond, uncond = (
            alpha.sqrt() * latents - (1 - alpha).sqrt() * pipe.unet(latents, 1023, conditions).sample
            for conditions in ({"mix": mix_latents}, {})
        )
    guided = uncond + 3.0 * (cond - uncond)
    wanted = guided * (0.6 * cond.std() / guided.std() + 0.4)
    assert torch.allclose(seen, wanted, atol=1e-4)


def test_a_stock_guider_works_on_the_net_output(build_pipeline, mix):
    ours = build_pipeline(guidance_scale=2.5, guidance_rescale=0.0)  # linear: the space makes no difference
    stock = build_pipeline()
    stock.register_modules(guider=ClassifierFreeGuidance(guidance_scale=2.5))
    assert torch.allclose(run(stock, mix), run(ours, mix), atol=1e-4)


def test_without_a_mix_the_net_runs_once_on_its_null_vector(pipe):
    calls = []
    pipe.unet.register_forward_pre_hook(lambda module, args, options: calls.append((args, options)), with_kwargs=True)
    stem = run(pipe, duration=0.25)
    assert stem.shape == (1, 1, 11025)
    assert [(args[0].shape[0], options["conditions"]) for args, options in calls] == [(1, {})] * 4


def test_mix_latents_stand_for_the_mix(pipe, mix):
    mix_latents, gain = pipe.encode_mix(mix[None])
    latents = run(pipe, mix_latents=mix_latents, output_type="latent")
    assert torch.equal(latents, run(pipe, mix, output_type="latent"))
    assert torch.allclose(gain * active_rms(mix[None]), torch.tensor(0.1))
    assert run(pipe, mix_latents=mix_latents, duration=9000 / 44100).shape == (1, 1, 9000)
    assert run(pipe, mix_latents=mix_latents).shape[-1] == mix_latents.shape[-1] * 4096


def test_the_style_reference_sets_the_mean_of_the_latents(pipe, mix):
    style = 0.3 * torch.sin(torch.arange(20_000) * 0.02)[None]
    with torch.no_grad():
        level = style.square().mean().sqrt()
        goal = normalize_latents(pipe.autoencoder.encode(style[None] * 0.1 / level).latents, pipe.autoencoder.config)
    plain = run(pipe, mix, output_type="latent")
    reached = run(pipe, mix, style=style, output_type="latent").mean(-1)
    assert torch.allclose(reached, goal.mean(-1), atol=0.02)
    assert torch.allclose(run(pipe, mix, style_latents=goal, output_type="latent").mean(-1), goal.mean(-1), atol=1e-4)
    stored = run(pipe, mix, style_latents=goal.mean((0, 2)), output_type="latent")
    assert torch.allclose(stored.mean(-1), goal.mean(-1), atol=1e-4)
    assert torch.equal(run(pipe, mix, style=style, style_strength=0.0, output_type="latent"), plain)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_a_blend_of_styles_lies_between_them(pipe, mix, share):
    styles = 0.3 * torch.stack([torch.sin(torch.arange(20_000) * rate)[None] for rate in (0.02, 0.3)])
    ends = [run(pipe, mix, style=style, output_type="latent").mean(-1) for style in styles]
    blended = run(pipe, mix, style=styles, style_weights=[3 * (1 - share), 3 * share], output_type="latent").mean(-1)
    torch.testing.assert_close(blended, torch.lerp(ends[0], ends[1], share), rtol=0, atol=1e-3)


@pytest.mark.parametrize("weights", [[1.0], [1.0, -1.0], [0.0, 0.0], [1.0, torch.nan], "ab", 3, [1, None]])
def test_shares_that_do_not_fit_the_styles_are_refused(pipe, mix, weights):
    with pytest.raises(ValueError, match="expected one for each"):
        run(pipe, mix, style=0.1 * torch.ones(2, 1, 5000), style_weights=weights)
    with pytest.raises(ValueError, match="without style"):
        run(pipe, mix, style_weights=weights)


@pytest.mark.parametrize("noise", ["rederive", "keep"])
def test_hooks_in_the_call_are_the_hooks_around_it(pipe, mix, noise):
    hook = StyleGrounding(torch.randn(4), strength=0.5, noise=noise)
    inside = run(pipe, mix, denoised_hooks=[hook])
    with on_denoised(pipe.scheduler, hook):
        assert torch.equal(run(pipe, mix), inside)
    assert not torch.allclose(run(pipe, mix), inside, atol=1e-4)


def test_callbacks_see_the_run_and_may_change_it(pipe, mix):
    seen = []

    def watch(pipe, step, timestep, tensors):
        seen.append((step, int(timestep), sorted(tensors)))
        if step == 3:
            assert torch.allclose(tensors["denoised"], tensors["latents"], atol=1e-5)
            return {"latents": torch.zeros_like(tensors["latents"])}
        return {}

    names = ["latents", "denoised", "mix_latents"]
    latents = run(
        pipe,
        mix,
        callback_on_step_end=watch,
        callback_on_step_end_tensor_inputs=names,
        output_type="latent",
    )
    assert seen == [(i, t, sorted(names)) for i, t in enumerate([1023, 767, 511, 255])]
    assert latents.abs().max() == 0


def test_position_tables_are_computed_once_a_call(pipe, mix):
    calls = []
    linear = next(m for m in pipe.unet.position_biases.modules() if isinstance(m, torch.nn.Linear))
    linear.register_forward_hook(lambda *args: calls.append(1))
    run(pipe, mix, num_inference_steps=4)
    assert len(calls) == 1
    run(pipe, mix, num_inference_steps=1)  # nothing is kept: the weights may have changed since
    assert len(calls) == 2


def test_every_kind_of_output(pipe, mix):
    audio = run(pipe, mix)
    array = run(pipe, mix, output_type="np")
    assert isinstance(array, np.ndarray)
    assert array.dtype == np.float32
    assert np.array_equal(array, audio.numpy())
    (only,) = pipe(mix, 44100, num_inference_steps=4, generator=seeded(), return_dict=False)
    assert torch.equal(only, audio)
    assert pipe(mix.numpy(), sampling_rate=44100, num_inference_steps=1).sampling_rate == 44100
    assert run(pipe, mix, output_type="latent").shape == (1, 4, 3)


def test_a_stereo_model_makes_stereo(build_pipeline):
    assert run(build_pipeline(audio_channels=2), 0.1 * torch.randn(2, 5000)).shape == (1, 2, 5000)


def test_the_hooks_of_offloading_are_freed_on_every_path(pipe, mix, monkeypatch):
    freed = []
    monkeypatch.setattr(pipe, "maybe_free_model_hooks", lambda: freed.append(1))
    for options in ({}, {"output_type": "latent"}, {"output_type": "np"}, {"return_dict": False}):
        pipe(mix, 44100, num_inference_steps=1, **options)
    assert len(freed) == 4


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_close_and_finite(build_pipeline, mix, dtype):
    stem = run(build_pipeline().to(dtype), mix, num_inference_steps=2)
    assert stem.dtype == torch.float32
    assert torch.isfinite(stem).all()
    assert stem.abs().max() > 1e-4


@pytest.mark.parametrize(
    "solver", [DDIMScheduler, DPMSolverMultistepScheduler, UniPCMultistepScheduler, EulerDiscreteScheduler]
)
def test_solvers_of_the_same_schedule_reach_nearly_the_same_stem(pipe, mix, solver):
    ours = run(pipe, mix, num_inference_steps=128, output_type="latent")
    pipe.scheduler = solver.from_config(pipe.scheduler.config)
    theirs = run(pipe, mix, num_inference_steps=128, output_type="latent")
    assert (ours - theirs).abs().mean() < 0.05 * ours.std()


@pytest.mark.parametrize(
    ("scheduler", "error", "message"),
    [
        (DDIMScheduler(clip_sample=False, prediction_type="v_prediction"), ValueError, "another noise schedule"),
        (CosineDDIMScheduler(max_signal_rate=0.95), ValueError, "another noise schedule"),
        (CosineDDIMScheduler(num_train_timesteps=512), ValueError, "another noise schedule"),
        (CosineDDIMScheduler(prediction_type="epsilon"), ValueError, "'v_prediction'"),
        (DDIMScheduler.from_config(CosineDDIMScheduler().config, clip_sample=True), ValueError, "clip_sample=False"),
    ],
)
def test_refuses_a_scheduler_the_net_was_not_trained_with(pipe, mix, scheduler, error, message):
    pipe.scheduler = scheduler
    with pytest.raises(error, match=message):
        run(pipe, mix)


def test_refuses_solvers_of_two_evaluations(pipe, mix):
    pipe.scheduler = HeunDiscreteScheduler.from_config(CosineDDIMScheduler().config)
    with pytest.raises(TypeError, match="more than once"):
        run(pipe, mix)


def test_a_schedule_that_cannot_be_known_is_refused_at_once(pipe):
    components = {**pipe.components, "scheduler": EDMEulerScheduler()}
    with pytest.raises(TypeError, match="keeps no alphas_cumprod"):
        StemAccompanimentPipeline(**components)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_inference_steps": 0}, "num_inference_steps .* got 0"),
        ({"num_inference_steps": -1}, "got -1"),
        ({"num_inference_steps": 2000}, "2000"),
        ({"guidance_scale": float("nan")}, "guidance_scale .* nan"),
        ({"guidance_rescale": float("inf")}, "guidance_rescale .* inf"),
        ({"guidance_rescale": 1.5}, "0 to 1, got 1.5"),
        ({"style_strength": float("nan")}, "style_strength"),
        ({"num_waveforms_per_prompt": 0}, "num_waveforms_per_prompt .* got 0"),
        ({"generator": [torch.Generator()] * 3}, "3 generators for 1"),
        ({"latents": torch.zeros(1, 4, 99)}, r"\(1, 4, 3\), got \(1, 4, 99\)"),
        ({"duration": 1.0}, "duration"),
        ({"mix_latents": torch.zeros(1, 4, 3)}, "both mix and mix_latents"),
        ({"output_type": "pil"}, "'pil'"),
        ({"callback_on_step_end_tensor_inputs": ["noise"]}, "'noise'"),
    ],
)
def test_refuses_calls_that_cannot_work(pipe, mix, options, message):
    with pytest.raises(ValueError, match=message):
        run(pipe, mix, **options)


def test_refuses_calls_without_anything_to_say_how_long(pipe):
    with pytest.raises(ValueError, match="got no mix"):
        pipe()
    with pytest.raises(ValueError, match="positive number of seconds"):
        pipe(duration=0.0)
    with pytest.raises(ValueError, match="mix_latents has 3 frames"):
        pipe(mix_latents=torch.zeros(1, 4, 3), duration=1.0)


def test_branches_run_one_by_one_give_what_they_give_together(pipe, mix):
    together = run(pipe, mix, num_waveforms_per_prompt=2)
    calls = []
    handle = pipe.unet.register_forward_hook(lambda _, inputs, output: calls.append(len(inputs[0])))
    pipe.enable_guidance_splitting()
    apart = run(pipe, mix, num_waveforms_per_prompt=2)
    pipe.disable_guidance_splitting()
    assert torch.equal(run(pipe, mix, num_waveforms_per_prompt=2), together)
    handle.remove()
    torch.testing.assert_close(apart, together, atol=1e-5, rtol=0)
    assert sorted(set(calls)) == [2, 4]
