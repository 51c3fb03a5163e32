"""Loops from noise: whole bars to the sample, a seam like any other place, tempo, chords, words and recordings."""

import numpy as np
import pytest
import torch
from diffusers.schedulers.scheduling_flow_match_euler_discrete import FlowMatchEulerDiscreteScheduler
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from latentstem import IADBScheduler, LoopPipeline
from latentstem.conditioning import Controls
from latentstem.guidance.style_grounding import encode_reference
from latentstem.pipelines import stretch_loop, transition

SHARED = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
RATE = 44100


@pytest.fixture(scope="module")
def pipe(build_loop_pipeline):
    return build_loop_pipeline(guidance_scale=2.0)


def run(pipe, **call):
    return pipe(**{"bpm": 150, "bars": 1, "num_inference_steps": 2, "generator": 0, **call}).audios


@SHARED
@given(st.floats(60, 400), st.integers(1, 3), st.integers(2, 5))
def test_a_loop_has_a_whole_number_of_bars_to_the_sample(pipe, bpm, bars, beats):
    audio = run(pipe, bpm=bpm, bars=bars, beats_per_bar=beats)
    assert audio.shape == (1, 1, round(bars * beats * 60 / bpm * RATE)) and torch.isfinite(audio).all()
    assert audio.abs().max() <= 1


@SHARED
@given(st.floats(60, 400), st.integers(1, 3))
def test_the_end_leads_into_the_beginning(pipe, bpm, bars):
    audio = run(pipe, bpm=bpm, bars=bars, num_inference_steps=3)[0, 0]
    steps = audio.roll(-1) - audio
    assert steps[-1].abs() <= 1.05 * steps[:-1].abs().max()


@SHARED
@given(st.integers(1, 6), st.integers(4, 12), st.integers(1, 5))
def test_noise_that_is_turned_by_whole_bars_turns_the_loop(pipe, bars, frames, turned):
    """A loop knows where its bars are and nothing else of its beginning."""
    bpm = 4 * 60 * RATE / (frames * 4096)  # a bar is a whole number of frames
    noise = torch.randn(1, 4, bars * frames)
    call = {"bpm": bpm, "bars": bars, "output_type": "latent", "num_inference_steps": 3}
    loop = run(pipe, latents=noise, **call)
    moved = run(pipe, latents=noise.roll(turned * frames, -1), **call)
    torch.testing.assert_close(moved, loop.roll(turned * frames, -1), atol=1e-4, rtol=0)


def test_the_beat_comes_round_with_the_loop(pipe):
    frames = pipe.boundary(loop=True).count_frames(pipe.count_samples(127.3, 3))
    rate = pipe.boundary(loop=True).frames_per_second(pipe.count_samples(127.3, 3))
    beat = Controls(bpm=127.3).conditions(2 * frames, rate)["beat"]
    torch.testing.assert_close(beat[..., :frames], beat[..., frames:], atol=1e-3, rtol=0)


@pytest.mark.parametrize(
    "change",
    [{"bpm": 150.5}, {"prompt": "dark techno"}, {"prompt": "no hats"}, {"chords": "| Am |"}, {"guidance_scale": 1.0}],
    ids=["tempo", "words", "excluded words", "chords", "guidance"],
)
def test_what_is_asked_for_changes_the_loop(pipe, change):
    plain, other = run(pipe), run(pipe, **change)
    shared = min(plain.shape[-1], other.shape[-1])
    assert not torch.allclose(plain[..., :shared], other[..., :shared], atol=1e-3)


def test_words_of_one_meaning_give_one_loop(pipe):
    assert torch.equal(run(pipe, prompt="beat, no hi-hats"), run(pipe, prompt="no hats, but drums"))


def test_a_reference_counts_by_its_code_at_any_level(pipe):
    sound = 0.3 * torch.randn(1, 30_000)
    code = pipe.encode_prompt(reference=sound, sampling_rate=RATE)["prompt"]
    assert code.norm() == pytest.approx(1.0, abs=1e-5)
    torch.testing.assert_close(
        pipe.encode_prompt(reference=0.1 * sound, sampling_rate=RATE)["prompt"], code, atol=1e-4, rtol=0
    )
    word = pipe.encode_prompt(prompt="dark")["prompt"]
    both = pipe.encode_prompt("dark", sound, RATE)["prompt"]
    torch.testing.assert_close(both, torch.nn.functional.normalize(code + word, dim=-1))
    assert pipe.encode_prompt() == {}


def test_a_loop_takes_on_the_average_sound_of_its_reference_as_far_as_it_is_asked(pipe):
    sound = {"reference": 0.3 * torch.randn(1, 30_000), "sampling_rate": RATE, "output_type": "latent"}
    heard, _ = encode_reference(sound["reference"][None], pipe.autoencoder)
    mean = run(pipe, **sound).mean(-1)
    torch.testing.assert_close(mean, heard.mean(-1), atol=1e-3, rtol=0)  # noise sounds in every frame
    code = pipe.encode_prompt(reference=sound["reference"], sampling_rate=RATE)
    alone = run(pipe, conditions=code, output_type="latent")
    torch.testing.assert_close(run(pipe, **sound, reference_strength=0.0), alone)
    half = run(pipe, **sound, reference_strength=0.5).mean(-1)
    distances = [(each - heard.mean(-1)).norm() for each in (alone.mean(-1), half, mean)]
    assert distances == sorted(distances, reverse=True)


def test_conditions_come_before_what_is_made_of_words(pipe):
    code = pipe.encode_prompt("dark")
    assert torch.equal(run(pipe, prompt="techno", conditions=code), run(pipe, prompt="dark"))


def test_the_prompt_has_a_guidance_weight_of_its_own(pipe):
    call = {"prompt": "dark", "output_type": "latent", "guidance_rescale": 0.0, "num_inference_steps": 1}
    at = {scale: run(pipe, condition_scales={"prompt": scale}, guidance_scale=1.0, **call) for scale in (0, 1, 3)}
    torch.testing.assert_close(at[3] - at[0], 3 * (at[1] - at[0]), atol=1e-4, rtol=1e-3)


def test_seeds_count_up_and_do_not_depend_on_the_batch(pipe):
    three = run(pipe, num_waveforms_per_prompt=3, generator=7, prompt="dark")
    for index in range(3):
        torch.testing.assert_close(
            three[index : index + 1], run(pipe, generator=7 + index, prompt="dark"), atol=1e-4, rtol=0
        )


def test_a_variation_stays_nearer_the_less_strength_it_has(pipe):
    loop = run(pipe, num_inference_steps=8)[0]
    call = {"init_loop": loop, "sampling_rate": RATE, "num_inference_steps": 8, "generator": 5}
    latents, _ = pipe.encode_mix(loop[None], pipe.boundary(loop=True))
    distances = [
        (run(pipe, strength=s, output_type="latent", **call) - latents).square().mean() for s in (0.2, 0.6, 1.0)
    ]
    assert distances == sorted(distances)


def test_a_beat_of_a_loop_is_made_anew_while_the_others_stay(pipe):
    loop = 0.1 * torch.randn(1, round(1.6 * RATE), generator=torch.Generator().manual_seed(0))
    beat, fade = round(0.4 * RATE), round(0.02 * RATE)
    call = {"init_loop": loop, "sampling_rate": RATE, "keep": [(0.0, 0.8), (1.2, None)], "generator": 5}
    first, second = run(pipe, num_waveforms_per_prompt=2, **call)
    anew, stays = slice(2 * beat, 3 * beat), slice(3 * beat + fade, None)
    for out in (first, second):
        assert torch.equal(out[:, stays], loop[:, stays])
        assert torch.equal(out[:, : 2 * beat - fade], loop[:, : 2 * beat - fade])
        assert (out - loop)[:, anew].square().mean() > 0.1 * loop.square().mean()
    assert not torch.equal(first[:, anew], second[:, anew])


def test_a_saved_pipeline_gives_the_same_loop(pipe, tmp_path):
    pipe.save_pretrained(tmp_path)
    loaded = LoopPipeline.from_pretrained(tmp_path)
    loaded.set_progress_bar_config(disable=True)
    call = {"prompt": "techno", "chords": "| C |"}
    torch.testing.assert_close(run(loaded, **call), run(pipe, **call), atol=1e-5, rtol=0)


def test_outputs_come_as_asked_for(pipe):
    tensor = run(pipe)
    assert np.array_equal(run(pipe, output_type="np"), tensor.numpy())
    (audio,) = pipe(bpm=150, bars=1, num_inference_steps=2, generator=0, return_dict=False)
    assert torch.equal(audio, tensor)


def test_a_callback_sees_every_step_and_may_change_the_latents(pipe):
    seen = []

    def callback(pipe, step, timestep, tensors):
        seen.append((step, sorted(tensors)))
        return {"latents": 0 * tensors["latents"]}

    names = ["latents", "denoised"]
    out = run(pipe, callback_on_step_end=callback, callback_on_step_end_tensor_inputs=names, output_type="latent")
    assert seen == [(0, ["denoised", "latents"]), (1, ["denoised", "latents"])] and not out.any()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ({"bpm": 3}, "bpm must be a finite number from 4 to 1000, got 3"),
        ({"bpm": float("nan")}, "bpm must be"),
        ({"bars": 0}, "bars must be a whole number of at least 1"),
        ({"bars": 1000, "bpm": 4}, "last 60000 s, over"),
        ({"prompt": "funky"}, "prompt: the prompt has the word 'funky', which is not known"),
        ({"prompt": "a loop"}, "names nothing that is known"),
        ({"strength": 0.5}, "got strength without init_loop"),
        ({"keep": [(0.0, 0.4)]}, "got keep without init_loop"),
        ({"init_loop": torch.zeros(1, 70_560), "sampling_rate": RATE, "keep": [(1.0, 2.0)]}, "end <= 1.6 seconds"),
        ({"init_loop": torch.zeros(1, 100), "sampling_rate": RATE}, "got 1 of 100 samples in init_loop"),
        ({"reference": torch.zeros(1, 40_000), "sampling_rate": 48_000}, "48000"),
        ({"reference": torch.zeros(1, 40_000), "sampling_rate": RATE}, "the style reference is silent"),
        ({"reference_strength": float("nan")}, "reference_strength"),
        ({"chords": "| Xyz |"}, "Xyz"),
        ({"num_inference_steps": 0}, "num_inference_steps must be"),
        ({"latents": torch.zeros(1, 3, 9)}, "latents must be of shape"),
        ({"conditions": {"prompt": torch.full((1, 8), torch.nan)}}, "conditions reaches nan"),
    ],
)
def test_calls_that_cannot_work_are_refused(pipe, call, message):
    with pytest.raises(ValueError, match=message):
        run(pipe, **call)


def test_what_the_net_does_not_know_is_refused(build_loop_pipeline):
    pipe = build_loop_pipeline()
    pipe.register_modules(prompt_encoder=None)
    with pytest.raises(ValueError, match="has no prompt_encoder"):
        run(pipe, prompt="dark")
    assert run(pipe).shape[-1] == round(4 * 60 / 150 * RATE)


def test_weights_may_share_the_codec_of_shipped_ones(build_loop_pipeline, tmp_path, monkeypatch):
    pipe = build_loop_pipeline()
    shipped = tmp_path / "shipped"
    pipe.autoencoder.save_pretrained(shipped / "autoencoder")
    pipe.save_pretrained(tmp_path / "loops")
    for file in (tmp_path / "loops" / "autoencoder").iterdir():
        file.unlink()
    (tmp_path / "loops" / "autoencoder").rmdir()
    (tmp_path / "loops" / "shared.json").write_text('{"autoencoder": "bass"}')
    monkeypatch.setattr("latentstem.pretrained_path", lambda name: str(shipped))
    loaded = LoopPipeline.from_pretrained(tmp_path / "loops")
    loaded.set_progress_bar_config(disable=True)
    torch.testing.assert_close(run(loaded), run(pipe), atol=1e-5, rtol=0)
    assert LoopPipeline.from_pretrained(tmp_path / "loops", dtype=torch.float16).autoencoder.dtype == torch.float16


def test_a_stretched_loop_has_the_new_length_and_the_old_level(pipe):
    loop = run(pipe, num_inference_steps=8)
    stretched = stretch_loop(pipe, loop, RATE, bpm=150, new_bpm=110, bars=1, num_inference_steps=8)
    assert stretched.shape == (1, 1, pipe.count_samples(110, 1)) and torch.isfinite(stretched).all()


def test_a_loop_that_is_stretched_to_its_own_tempo_stays(pipe, monkeypatch):
    """Inversion and sampling undo each other, so what is left is the codec, which is not trained here."""
    seen = {}

    def decode(latents, num_samples, gain, kept, boundary):
        seen["latents"] = latents
        return torch.zeros(1, 1, num_samples)

    loop = 0.3 * torch.randn(1, pipe.count_samples(150, 1))
    before, _ = pipe.encode_mix(loop[None], pipe.boundary(loop=True))
    monkeypatch.setattr(pipe, "scheduler", IADBScheduler(solver="rk4"))
    monkeypatch.setattr(pipe, "decode_latents", decode)
    stretch_loop(pipe, loop, RATE, bpm=150, new_bpm=150, bars=1, num_inference_steps=16)
    torch.testing.assert_close(seen["latents"], before, atol=5e-3, rtol=0)


def test_only_a_scheduler_that_inverts_can_stretch(build_loop_pipeline):
    pipe = build_loop_pipeline()
    loop = run(pipe)
    pipe.scheduler = FlowMatchEulerDiscreteScheduler()
    with pytest.raises(ValueError, match="FlowMatchEulerDiscreteScheduler cannot be inverted; use IADBScheduler"):
        stretch_loop(pipe, loop, RATE, bpm=150, new_bpm=110, bars=1)


def test_a_transition_leads_from_one_call_to_the_other_without_a_gap(pipe):
    call = {"num_inference_steps": 2}
    whole = transition(pipe, ("dark", "techno"), (150, 130), loops=3, bars=1, seed=4, **call)
    lengths = [pipe.count_samples(bpm, 1) for bpm in (150, 140, 130)]
    assert whole.shape == (1, sum(lengths)) and whole.abs().max() <= 1
    frames = [pipe.boundary(loop=True).count_frames(length) for length in lengths]
    noise = torch.randn(1, 4, max(frames), generator=torch.Generator().manual_seed(4))
    first = pipe(150, 1, prompt="dark", latents=noise[..., : frames[0]], **call).audios[0]
    last = pipe(130, 1, prompt="techno", latents=noise[..., : frames[2]], **call).audios[0]
    torch.testing.assert_close(whole[..., : lengths[0]], first, atol=1e-5, rtol=0)
    beat = round(60 / 130 * RATE)
    torch.testing.assert_close(whole[..., -lengths[2] + beat :], last[..., beat:], atol=1e-5, rtol=0)
    jumps = whole.diff().abs()[0]
    for seam in (lengths[0], lengths[0] + lengths[1]):
        assert jumps[seam - 1] <= 1.05 * jumps.max()
    with pytest.raises(ValueError, match="got 1 loops; expected 2 or more"):
        transition(pipe, ("dark", "techno"), (150, 130), loops=1)
