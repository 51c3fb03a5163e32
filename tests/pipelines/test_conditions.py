"""Guidance by several conditions: what the net is given branch by branch, and what guiders make of it."""

import pytest
import torch
from diffusers import (
    AutoGuidance,
    ClassifierFreeGuidance,
    LayerSkipConfig,
    PerturbedAttentionGuidance,
    SkipLayerGuidance,
    SmoothedEnergyGuidance,
    SmoothedEnergyGuidanceConfig,
)

from latentstem import RescaledClassifierFreeGuidance, StemUNet1DModel
from latentstem.conditioning import Controls
from latentstem.sampling.overlapping import OverlappingWindows

FRAMES = 3  # of the mix


@pytest.fixture
def pipe(build_pipeline):
    """A pipeline whose net is conditioned on a style and on chords besides the mix."""
    pipe = build_pipeline()
    torch.manual_seed(3)
    unet = StemUNet1DModel(
        latent_channels=4,
        block_out_channels=(8, 16),
        layers_per_block=(1, 1),
        attention_head_dim=8,
        attention_levels=(False, True),
        embedding_dim=16,
        global_conditions={"style": 3},
        control_conditions={"chords": 5},
        control_channels=8,
    )
    for parameter in unet.parameters():
        if parameter.count_nonzero() == 0:
            torch.nn.init.normal_(parameter, std=0.3)
    pipe.register_modules(unet=unet.eval())
    return pipe


@pytest.fixture
def conditions():
    return {"style": torch.randn(1, 3), "chords": torch.randn(1, 5, FRAMES)}


def run(pipe, mix, **call):
    options = {"generator": torch.Generator().manual_seed(1), "num_inference_steps": 4, "output_type": "latent"}
    return pipe(mix, sampling_rate=44100, **{**options, **call}).audios


def x0(pipe, sample, timestep, kept):
    a, b = pipe.scheduler.alphas_cumprod[timestep].sqrt(), (1 - pipe.scheduler.alphas_cumprod[timestep]).sqrt()
    with torch.no_grad():
        return a * sample - b * pipe.unet(sample, timestep, kept).sample


def test_each_condition_has_its_own_weight(pipe, mix, conditions):
    """none + 3 (mix - none) + 2 (mix, style - mix) + 0.5 (all - mix, style), written out."""
    pipe.register_modules(guider=RescaledClassifierFreeGuidance(3.0, guidance_rescale=0.0))
    mix_latents, _ = pipe.encode_mix(mix[None])
    noise = torch.randn(1, 4, FRAMES)
    scales = {"style": 2.0, "chords": 0.5}
    seen = run(pipe, mix, conditions=conditions, condition_scales=scales, latents=noise, num_inference_steps=1)
    sets = [{}, {"mix": mix_latents}]
    sets.append(sets[-1] | {"style": conditions["style"]})
    sets.append(sets[-1] | {"chords": conditions["chords"]})
    none, by_mix, by_style, by_all = (x0(pipe, noise, 1023, kept) for kept in sets)
    expected = none + 3 * (by_mix - none) + 2 * (by_style - by_mix) + 0.5 * (by_all - by_style)
    torch.testing.assert_close(seen, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("left_out", [["chords"], ["style"], ["style", "chords"]])
def test_a_condition_that_is_not_given_is_its_learned_null(pipe, mix, conditions, left_out):
    """Whatever other value is dropped in its place; so a stem may be steered by any subset of the controls."""
    mix_latents, _ = pipe.encode_mix(mix[None])
    noise = torch.randn(1, 4, FRAMES)
    given = {name: value for name, value in conditions.items() if name not in left_out}
    seen = run(pipe, mix, conditions=given, latents=noise, num_inference_steps=1, guidance_scale=1.0)
    a, b = pipe.scheduler.alphas_cumprod[1023].sqrt(), (1 - pipe.scheduler.alphas_cumprod[1023]).sqrt()
    masks = {name: torch.tensor([True]) for name in left_out}
    with torch.no_grad():
        velocity = pipe.unet(noise, 1023, {"mix": mix_latents, **conditions}, masks).sample
    torch.testing.assert_close(seen, a * noise - b * velocity, atol=1e-4, rtol=1e-4)
    whole = run(pipe, mix, conditions=conditions, latents=noise, num_inference_steps=1, guidance_scale=1.0)
    assert not torch.allclose(seen, whole, atol=1e-3)


@pytest.mark.parametrize(
    ("scales", "evaluations"),
    [
        ({}, 2),
        ({"style": 3.0}, 2),  # as all the others: one difference
        ({"style": 2.0}, 3),
        ({"style": 2.0, "chords": 2.0}, 3),
        ({"style": 2.0, "chords": 1.0}, 4),
        ({"unheard_of": 7.0}, 2),
    ],
)
def test_conditions_of_one_weight_share_an_evaluation(pipe, mix, conditions, scales, evaluations):
    pipe.register_modules(guider=RescaledClassifierFreeGuidance(3.0, condition_scales=scales))
    items = []
    pipe.unet.register_forward_pre_hook(lambda module, inputs: items.append(len(inputs[0])))
    run(pipe, mix, conditions=conditions)
    assert items == [evaluations] * 4


def test_at_one_everywhere_the_net_runs_once_and_its_prediction_is_the_answer(pipe, mix, conditions):
    items = []
    pipe.unet.register_forward_pre_hook(lambda module, inputs: items.append(len(inputs[0])))
    plain = run(pipe, mix, conditions=conditions, guidance_scale=1.0, condition_scales={"style": 1.0})
    assert items == [1] * 4
    assert torch.equal(plain, run(pipe, mix, conditions=conditions, guidance_scale=1.0))


def test_splitting_windows_and_copies_change_nothing(pipe, conditions):
    mix = 0.2 * torch.randn(2, 1, 40 * 4096)
    conditions["chords"] = torch.randn(2, 5, 40)
    pipe.windows = OverlappingWindows(16, 8)
    call = {"conditions": conditions, "condition_scales": {"style": 2.0}, "num_waveforms_per_prompt": 2}
    generators = lambda: [torch.Generator().manual_seed(number) for number in range(4)]  # noqa: E731
    together = run(pipe, mix, generator=generators(), **call)
    pipe.enable_guidance_splitting()
    torch.testing.assert_close(run(pipe, mix, generator=generators(), **call), together, atol=1e-4, rtol=1e-4)
    call |= {"num_waveforms_per_prompt": 1}
    call["conditions"] = {"style": conditions["style"], "chords": conditions["chords"][1:]}
    alone = run(pipe, mix[1:], generator=torch.Generator().manual_seed(3), **call)
    torch.testing.assert_close(alone, together[3:], atol=1e-4, rtol=1e-4)


def test_a_loop_goes_around_in_its_conditions_too(pipe, conditions):
    """Turning mix, noise and chords by some frames turns the stem."""
    mix_latents, noise, chords = torch.randn(1, 4, 24), torch.randn(1, 4, 24), torch.randn(1, 5, 24)
    call = {"loop": True, "style": None}
    straight = run(
        pipe, None, mix_latents=mix_latents, latents=noise, conditions={**conditions, "chords": chords}, **call
    )
    turned = run(
        pipe,
        None,
        mix_latents=mix_latents.roll(8, -1),
        latents=noise.roll(8, -1),
        conditions={**conditions, "chords": chords.roll(8, -1)},
        **call,
    )
    # Not to the bit: attention sees the surroundings of the loop, of which there are no more than eight frames.
    assert (turned - straight.roll(8, -1)).square().mean() < 0.05 * straight.square().mean()


def test_skipping_layers_of_the_net_by_a_guider_of_diffusers(pipe, mix, conditions):
    """It is the formula of SkipLayerGuidance, with a net whose middle attention is the identity as the third branch."""
    config = LayerSkipConfig(indices=[0], fqn="mid_block.attentions")
    skipping = SkipLayerGuidance(
        guidance_scale=2.0,
        skip_layer_guidance_scale=1.5,
        skip_layer_config=config,
        skip_layer_guidance_start=0.0,
        skip_layer_guidance_stop=1.0,
    )
    pipe.register_modules(guider=skipping)
    pipe.scheduler.set_timesteps(4)
    sample = torch.randn(1, 4, FRAMES)
    mix_latents, _ = pipe.encode_mix(mix[None])
    given = {"mix": mix_latents, **conditions}
    timestep = pipe.scheduler.timesteps[1]
    guider = skipping.new()
    guider.set_state(step=1, num_inference_steps=4, timestep=timestep)
    with torch.no_grad():
        guided = pipe.predict(sample, timestep, given, guider)
    cond, uncond = x0(pipe, sample, timestep, given), x0(pipe, sample, timestep, {})
    out = pipe.unet.mid_block.attentions[0].to_out
    weights = {name: parameter.clone() for name, parameter in out.named_parameters()}
    with torch.no_grad():
        for parameter in out.parameters():
            parameter.zero_()
    skipped = x0(pipe, sample, timestep, given)
    out.load_state_dict(weights)
    expected = uncond + 2.0 * (cond - uncond) + 1.5 * (cond - skipped)
    torch.testing.assert_close(guided, expected, atol=1e-4, rtol=1e-4)
    assert (skipped - cond).abs().max() > 1e-3
    torch.testing.assert_close(x0(pipe, sample, timestep, given), cond)  # no hook is left behind
    whole = run(pipe, mix, conditions=conditions)
    pipe.register_modules(guider=ClassifierFreeGuidance(2.0))
    assert not torch.allclose(whole, run(pipe, mix, conditions=conditions), atol=1e-3)


@pytest.mark.parametrize(
    "guider",
    [
        PerturbedAttentionGuidance(
            perturbed_guidance_config=LayerSkipConfig(
                indices=[0],
                fqn="mid_block.attentions",
                skip_attention=False,
                skip_attention_scores=True,
                skip_ff=False,
            ),
            perturbed_guidance_start=0.0,
            perturbed_guidance_stop=1.0,
        ),
        SmoothedEnergyGuidance(
            seg_guidance_config=SmoothedEnergyGuidanceConfig(indices=[0], fqn="mid_block.attentions"),
            seg_guidance_start=0.0,
            seg_guidance_stop=1.0,
        ),
    ],
    ids=lambda guider: type(guider).__name__,
)
def test_guiders_that_would_have_no_effect_are_refused(pipe, mix, guider):
    pipe.register_modules(guider=guider)
    with pytest.raises(ValueError, match=f"{type(guider).__name__} finds nothing in StemUNet1DModel"):
        run(pipe, mix)


def test_auto_guidance_weakens_the_net_without_conditions(pipe, mix):
    config = LayerSkipConfig(indices=[0], fqn="mid_block.attentions", dropout=1.0)
    pipe.register_modules(guider=AutoGuidance(2.0, auto_guidance_config=config, start=0.0, stop=1.0))
    weakened = run(pipe, mix)
    pipe.register_modules(guider=ClassifierFreeGuidance(2.0))
    assert not torch.allclose(weakened, run(pipe, mix), atol=1e-3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ({"conditions": {"tempo": torch.zeros(1, 1)}}, "condition 'tempo', and the net takes: mix, chords, style"),
        ({"conditions": {"style": torch.zeros(3, 3)}}, "3 items of condition 'style' for 1 mixes"),
        ({"conditions": {"chords": torch.zeros(1, 5, 7)}}, r"'chords' has shape \(1, 5, 7\), expected \(1, 5, 3\)"),
        ({"condition_scales": {"style": float("nan")}}, "condition_scales\\['style'\\]=nan; expected a number"),
    ],
)
def test_refuses_conditions_that_do_not_fit(pipe, mix, call, message):
    with pytest.raises(ValueError, match=message):
        run(pipe, mix, guidance_scale=1.0, **call)


def test_scales_of_single_conditions_need_a_guider_that_knows_them(pipe, mix):
    pipe.register_modules(guider=ClassifierFreeGuidance(2.0))
    with pytest.raises(ValueError, match="ClassifierFreeGuidance weighs all conditions together"):
        run(pipe, mix, condition_scales={"style": 2.0})


def test_controls_are_conditions_for_the_frames_of_the_mix(build_pipeline, mix):
    pipe = build_pipeline(controls={"chords": 25, "density": 2})
    controls = Controls(chords="C:0 F:0.1", density=[(0.0, 1.0), (0.2, 5.0)])
    frames = pipe.count_frames(mix.shape[-1])
    conditions = controls.conditions(frames, pipe.sampling_rate / pipe.hop_length)
    assert conditions["chords"].shape == (1, 25, frames)
    steered = run(pipe, mix, controls=controls)
    torch.testing.assert_close(steered, run(pipe, mix, conditions=conditions), rtol=0, atol=0)
    assert not torch.equal(steered, run(pipe, mix))
    # What is given as a condition comes before the control of its name.
    other = {"density": -conditions["density"]}
    expected = run(pipe, mix, conditions=conditions | other)
    torch.testing.assert_close(run(pipe, mix, controls=controls, conditions=other), expected, rtol=0, atol=0)


def test_controls_that_the_net_does_not_know_are_refused(build_pipeline, mix):
    pipe = build_pipeline(controls={"chords": 25})
    with pytest.raises(ValueError, match="density"):
        run(pipe, mix, controls=Controls(density=4.0))
    with pytest.raises(ValueError, match=r"controls must be .*Controls, got dict"):
        run(pipe, mix, controls={"density": 4.0})
