"""Hooks on the clean sample inside an unmodified audio pipeline of diffusers."""

import pytest
import torch
from diffusers import (
    AutoencoderOobleck,
    EDMDPMSolverMultistepScheduler,
    StableAudioDiTModel,
    StableAudioPipeline,
    StableAudioProjectionModel,
)

from latentstem import CosineDDIMScheduler, StyleGrounding, on_denoised

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:`torch.nn.utils.weight_norm` is deprecated:FutureWarning"),
]


@pytest.fixture(scope="module")
def stable_audio():
    """diffusers' StableAudioPipeline at tiny size, with embedded prompts in place of a text encoder."""
    torch.manual_seed(0)
    transformer = StableAudioDiTModel(
        sample_size=16,
        in_channels=3,
        num_layers=2,
        attention_head_dim=8,
        num_attention_heads=4,
        num_key_value_attention_heads=2,
        out_channels=3,
        cross_attention_dim=16,
        time_proj_dim=8,
        global_states_input_dim=32,
        cross_attention_input_dim=16,
    )
    vae = AutoencoderOobleck(
        encoder_hidden_size=4,
        downsampling_ratios=[1, 2],
        decoder_channels=4,
        decoder_input_channels=3,
        audio_channels=2,
        channel_multiples=[2, 4],
        sampling_rate=4,
    )
    pipe = StableAudioPipeline(
        vae=vae,
        text_encoder=None,
        projection_model=StableAudioProjectionModel(
            text_encoder_dim=16, conditioning_dim=16, min_value=0, max_value=32
        ),
        tokenizer=None,
        transformer=transformer.eval(),
        scheduler=EDMDPMSolverMultistepScheduler(
            solver_order=2, prediction_type="v_prediction", sigma_data=1.0, sigma_schedule="exponential"
        ),
    )
    pipe.set_progress_bar_config(disable=True)
    prompt = torch.randn(1, 5, 16)

    def generate(**options):
        return pipe(
            prompt_embeds=prompt,
            negative_prompt_embeds=torch.zeros_like(prompt),
            num_inference_steps=6,
            guidance_scale=4.0,
            num_waveforms_per_prompt=2,
            generator=torch.Generator().manual_seed(0),
            **options,
        ).audios

    return pipe, generate


EDM = EDMDPMSolverMultistepScheduler(prediction_type="v_prediction", sigma_data=1.0, sigma_schedule="exponential")


@pytest.fixture(params=[EDM, CosineDDIMScheduler()], ids=lambda scheduler: type(scheduler).__name__)
def with_scheduler(stable_audio, request):
    pipe, generate = stable_audio
    pipe.scheduler = request.param
    return pipe, generate


def test_an_idle_hook_in_a_pipeline_of_diffusers_is_bitwise_its_own_output(with_scheduler):
    pipe, generate = with_scheduler
    plain = generate()
    with on_denoised(pipe.scheduler, lambda denoised, step: denoised):
        assert torch.equal(generate(), plain)
    with on_denoised(pipe.scheduler, StyleGrounding(torch.ones(3), strength=0.0)):
        assert torch.equal(generate(), plain)
    assert plain.shape[0] == 2


def test_style_grounding_in_a_pipeline_of_diffusers_reaches_the_reference(with_scheduler):
    pipe, generate = with_scheduler
    goal = torch.tensor([0.7, -1.1, 0.2])
    plain = generate(output_type="latent").mean(-1)
    with on_denoised(pipe.scheduler, StyleGrounding(goal)):
        grounded = generate(output_type="latent").mean(-1)
    assert (plain - goal).abs().max() > 0.1
    assert torch.allclose(grounded, goal.expand(2, 3), atol=1e-3)
    assert torch.equal(generate(output_type="latent").mean(-1), plain)  # and it is gone afterwards
