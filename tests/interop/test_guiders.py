"""Our guider in a pipeline of diffusers that takes one: its HunyuanVideo 1.5, tiny, with random weights."""

import json

import pytest
import torch
from diffusers import (
    AutoencoderKLHunyuanVideo15,
    ClassifierFreeGuidance,
    FlowMatchEulerDiscreteScheduler,
    HunyuanVideo15Pipeline,
    HunyuanVideo15Transformer3DModel,
)

from latentstem import RescaledClassifierFreeGuidance


@pytest.fixture(scope="module")
def components():
    torch.manual_seed(0)
    transformer = HunyuanVideo15Transformer3DModel(
        in_channels=9,
        out_channels=4,
        num_attention_heads=2,
        attention_head_dim=8,
        num_layers=1,
        num_refiner_layers=1,
        mlp_ratio=2.0,
        text_embed_dim=16,
        text_embed_2_dim=8,
        image_embed_dim=12,
        rope_axes_dim=(2, 2, 4),
        target_size=16,
        task_type="t2v",
    )
    vae = AutoencoderKLHunyuanVideo15(
        latent_channels=4, block_out_channels=(8, 8, 8, 8, 8), layers_per_block=1, spatial_compression_ratio=16
    )
    return {
        "transformer": transformer.eval(),
        "vae": vae.eval(),
        "scheduler": FlowMatchEulerDiscreteScheduler(shift=7.0),
        **dict.fromkeys(("text_encoder", "tokenizer", "text_encoder_2", "tokenizer_2")),
    }


def generate(components, guider, steps=4):
    """Latents of a clip, with embedded prompts in place of text encoders."""
    pipe = HunyuanVideo15Pipeline(**components, guider=guider)
    pipe.set_progress_bar_config(disable=True)
    words = torch.Generator().manual_seed(1)
    prompts = {}
    for name in ("prompt", "negative_prompt"):
        for number, width in (("", 16), ("_2", 8)):
            prompts[f"{name}_embeds{number}"] = torch.randn(1, 5, width, generator=words)
            prompts[f"{name}_embeds_mask{number}"] = torch.ones(1, 5)
    options = {"height": 32, "width": 32, "num_frames": 5, "num_inference_steps": steps, "output_type": "latent"}
    return pipe(**prompts, **options, generator=torch.Generator().manual_seed(0)).frames


@pytest.mark.parametrize("window", [{}, {"start": 0.25, "stop": 0.75}])
def test_without_rescaling_it_is_the_guider_of_diffusers(components, window):
    ours = generate(components, RescaledClassifierFreeGuidance(3.0, guidance_rescale=0.0, **window))
    theirs = generate(components, ClassifierFreeGuidance(3.0, **window))
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)
    assert not torch.allclose(ours, generate(components, ClassifierFreeGuidance(1.0)), atol=1e-3)


def test_rescaling_is_that_of_the_guider_of_diffusers(components):
    ours = generate(components, RescaledClassifierFreeGuidance(3.0, guidance_rescale=0.7))
    theirs = generate(components, ClassifierFreeGuidance(3.0, guidance_rescale=0.7))
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=0)
    assert not torch.allclose(ours, generate(components, ClassifierFreeGuidance(3.0)), atol=1e-3)


def test_at_a_scale_of_one_the_net_runs_once_a_step(components):
    runs = []
    handle = components["transformer"].register_forward_hook(lambda *_: runs.append(1))
    alone = generate(components, RescaledClassifierFreeGuidance(1.0), steps=3)
    assert len(runs) == 3
    handle.remove()
    assert torch.equal(alone, generate(components, ClassifierFreeGuidance(enabled=False), steps=3))


def test_it_is_saved_and_loaded_with_a_pipeline_of_diffusers(components, tmp_path):
    guider = RescaledClassifierFreeGuidance(3.0, guidance_rescale=0.7, per_channel=True, stop=0.75)
    HunyuanVideo15Pipeline(**components, guider=guider).save_pretrained(tmp_path)
    assert json.loads((tmp_path / "model_index.json").read_text())["guider"] == [
        "latentstem",
        "RescaledClassifierFreeGuidance",
    ]
    missing = {name: None for name, component in components.items() if component is None}
    loaded = HunyuanVideo15Pipeline.from_pretrained(tmp_path, **missing)
    assert isinstance(loaded.guider, RescaledClassifierFreeGuidance)
    assert torch.equal(generate(components, loaded.guider), generate(components, guider))
