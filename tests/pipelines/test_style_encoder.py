"""A pipeline with a style encoder: the net gets the code of the reference, beside grounding or without it."""

import pytest
import torch

from latentstem import StemAccompanimentPipeline, StemUNet1DModel, StyleEncoder


@pytest.fixture(scope="module")
def pipe(build_pipeline):
    plain = build_pipeline()
    torch.manual_seed(1)
    unet = StemUNet1DModel.from_config(plain.unet.config, global_conditions={"style": 3})
    for parameter in unet.parameters():  # zero at the start of training: the net would hear nothing
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.3)
    encoder = StyleEncoder(latent_channels=4, channels=8, code_dim=3, layers=1).eval()
    components = {**plain.components, "unet": unet.eval(), "style_encoder": encoder}
    pipe = StemAccompanimentPipeline(**{k: v for k, v in components.items() if k != "judge"})
    pipe.set_progress_bar_config(disable=True)
    return pipe


def run(pipe, **call):
    mix = 0.1 * torch.randn(1, 1, 30_000, generator=torch.Generator().manual_seed(0))
    generator = torch.Generator().manual_seed(0)
    return pipe(mix, 44100, num_inference_steps=3, generator=generator, output_type="latent", **call).audios


def reference(seed, samples=40_000):
    return 0.1 * torch.randn(1, 1, samples, generator=torch.Generator().manual_seed(seed))


def test_a_reference_gives_the_net_its_code(pipe):
    given = pipe.encode_style_code(reference(5), None)
    assert given["style"].shape == (1, 3)
    by_reference = run(pipe, style=reference(5), style_strength=0.0)
    torch.testing.assert_close(by_reference, run(pipe, conditions=given))
    assert not torch.allclose(by_reference, run(pipe, style=reference(6), style_strength=0.0))
    assert not torch.allclose(by_reference, run(pipe))


def test_a_code_of_one_s_own_goes_before_that_of_the_reference(pipe):
    own = {"style": torch.ones(1, 3)}
    torch.testing.assert_close(
        run(pipe, conditions=own), run(pipe, style=reference(5), style_strength=0.0, conditions=own)
    )


def test_neither_level_nor_rests_of_a_reference_are_part_of_its_code(pipe):
    sound = reference(5, samples=8 * 4096)
    code = pipe.encode_style_code(sound, None)["style"]
    torch.testing.assert_close(pipe.encode_style_code(3 * sound, None)["style"], code, atol=1e-4, rtol=1e-3)
    rested = torch.cat([sound, torch.zeros(1, 1, 30 * 4096)], dim=-1)
    other = pipe.encode_style_code(reference(6), None)["style"]
    moved = (pipe.encode_style_code(rested, None)["style"] - code).norm()
    assert moved < (other - code).norm()


def test_references_in_a_batch_and_latents_have_codes_and_a_mean_has_none(pipe):
    pair = torch.cat([reference(5), reference(6)])
    one, other = (pipe.encode_style_code(item[None], None)["style"] for item in pair)
    torch.testing.assert_close(pipe.encode_style_code(pair, None)["style"], (one + other) / 2)
    latents = torch.randn(4, 12)
    assert pipe.encode_style_code(None, latents)["style"].shape == (1, 3)
    assert pipe.encode_style_code(None, latents.mean(-1)) == {} == pipe.encode_style_code(None, None)


def test_without_an_encoder_a_reference_is_grounding_alone(build_pipeline):
    assert build_pipeline().encode_style_code(reference(5), None) == {}


def test_a_silent_reference_is_refused(pipe):
    with pytest.raises(ValueError, match="silent"):
        run(pipe, style=torch.zeros(1, 1, 40_000))


def test_the_encoder_is_saved_with_the_pipeline(pipe, tmp_path):
    pipe.save_pretrained(tmp_path)
    again = StemAccompanimentPipeline.from_pretrained(tmp_path)
    again.set_progress_bar_config(disable=True)
    torch.testing.assert_close(run(again, style=reference(5)), run(pipe, style=reference(5)))
