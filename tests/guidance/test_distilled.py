"""Guidance that the net has learned: one evaluation, and the weight as a condition."""

import pytest
import torch

from latentstem import RescaledClassifierFreeGuidance, StemAccompanimentPipeline
from latentstem.guidance import DistilledGuidance
from latentstem.training.unet_conditions import with_conditions

MIX = 0.1 * torch.randn(1, 1, 30_000, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def pipe(build_pipeline):
    """A pipeline whose net hears the weight of guidance."""
    pipe = build_pipeline()
    unet = with_conditions(pipe.unet, {"global_conditions": {"guidance": 1}})
    for parameter in unet.parameters():  # zero at the start of training: the net would not hear it
        if parameter.count_nonzero() == 0:
            torch.nn.init.normal_(parameter, std=0.3)
    pipe.register_modules(unet=unet.eval(), guider=DistilledGuidance(3.0))
    return pipe


def call(pipe, **options):
    batches = []
    hook = pipe.unet.register_forward_pre_hook(lambda net, inputs: batches.append(len(inputs[0])))
    fixed = {"sampling_rate": 44100, "num_inference_steps": 3, "generator": 0, "output_type": "latent"}
    stems = pipe(MIX, **fixed, **options).audios
    hook.remove()
    return stems, batches


def test_the_weight_reaches_the_net_in_one_evaluation_a_step(pipe):
    stems, batches = call(pipe)
    assert batches == [1, 1, 1]
    told = {"guidance": torch.tensor([[0.5]])}  # (3 - 1) / 4
    plain = RescaledClassifierFreeGuidance(1.0)
    pipe.register_modules(guider=plain)
    assert torch.equal(call(pipe, conditions=told)[0], stems)
    assert not torch.allclose(call(pipe)[0], stems, atol=1e-3)


def test_a_call_has_a_weight_of_its_own(pipe):
    weak, strong = (call(pipe, guidance_scale=scale)[0] for scale in (1.5, 6.0))
    assert not torch.allclose(weak, strong, atol=1e-3)
    assert torch.equal(call(pipe, guidance_scale=3.0)[0], call(pipe)[0])


def test_where_it_is_off_or_nothing_is_given_the_net_predicts_as_without_it(pipe):
    pipe.register_modules(guider=DistilledGuidance(enabled=False))
    off = call(pipe)[0]
    pipe.register_modules(guider=RescaledClassifierFreeGuidance(1.0))
    assert torch.equal(call(pipe)[0], off)
    alone = {"duration": 0.5, "num_inference_steps": 2, "generator": 0, "output_type": "latent"}
    pipe.register_modules(guider=DistilledGuidance(3.0))
    without = pipe(**alone).audios
    pipe.register_modules(guider=RescaledClassifierFreeGuidance(3.0))
    assert torch.equal(pipe(**alone).audios, without)


def test_it_is_saved_and_loaded(pipe, tmp_path, has_weights_of):
    pipe.save_pretrained(tmp_path)
    again = StemAccompanimentPipeline.from_pretrained(tmp_path)
    again.set_progress_bar_config(disable=True)
    assert isinstance(again.guider, DistilledGuidance) and again.guider.guidance_scale == 3.0
    assert has_weights_of(again.unet, pipe.unet) and has_weights_of(again.autoencoder, pipe.autoencoder)
    torch.testing.assert_close(call(again)[0], call(pipe)[0])


@pytest.mark.parametrize("scale", [0.5, 6.5])
def test_a_weight_that_was_not_learned_is_refused(pipe, scale):
    with pytest.raises(ValueError, match=r"the net has learned 1 to 6\.0; give one of these"):
        call(pipe, guidance_scale=scale)


def test_what_it_does_not_weigh_is_refused(pipe):
    with pytest.raises(ValueError, match="DistilledGuidance weighs all conditions together"):
        call(pipe, condition_scales={"mix": 2.0})
    with pytest.raises(ValueError, match="DistilledGuidance has learned how much"):
        call(pipe, guidance_rescale=0.3)


def test_a_net_that_has_not_learned_it_says_so(build_pipeline):
    pipe = build_pipeline()
    pipe.register_modules(guider=DistilledGuidance(3.0))
    with pytest.raises(ValueError, match="got a condition 'guidance', and the net takes: mix"):
        call(pipe)
