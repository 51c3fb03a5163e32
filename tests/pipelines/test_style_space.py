"""Style grounding in the autoencoder's style space, as the pipeline's call has it."""

import pytest
import torch

from latentstem import StyleGrounding, StyleSpace


def style_space(channels=4):
    """Two numbers of a mean: the sum of the first two channels, and the third."""
    readout = torch.zeros(2, channels)
    readout[0, :2], readout[1, 2] = 1.0, 1.0
    directions = torch.zeros(2, channels)
    directions[0, 0], directions[1, 2] = 1.0, 1.0
    return StyleSpace(readout, directions)


@pytest.mark.parametrize("from_audio", [False, True])
def test_in_a_style_space_only_its_part_of_the_mean_reaches_the_reference(pipe, from_audio):
    space = style_space()
    pipe.autoencoder.register_to_config(**space.to_config())
    mix_latents = torch.randn(1, 4, 12, generator=torch.Generator().manual_seed(1))
    reference = torch.tensor([3.0, -2.0, 1.0, 5.0])
    style = {"style_latents": reference}
    if from_audio:
        audio = 0.1 * torch.randn(1, 20_000, generator=torch.Generator().manual_seed(2))
        style = {"style": audio}
        reference = StyleGrounding.from_audio(audio[None], pipe.autoencoder).reference
    call = {"mix_latents": mix_latents, "sampling_rate": 44100, "num_inference_steps": 4, "output_type": "latent"}

    def mean(**options):
        return pipe(**call, **options, generator=torch.Generator().manual_seed(0)).audios[0].mean(-1)

    grounded, plain = mean(**style, style_space=True), mean()
    numbers = space.readout @ torch.stack([grounded, reference, plain], dim=1)
    torch.testing.assert_close(numbers[:, 0], numbers[:, 1], rtol=0, atol=1e-3)
    assert (numbers[:, 2] - numbers[:, 1]).abs().min() > 0.1
    assert (grounded[3] - reference[3]).abs() > 0.5
    torch.testing.assert_close(mean(**style), reference, rtol=0, atol=1e-3)


def test_a_style_space_needs_a_reference_and_an_autoencoder_that_has_one(pipe, mix):
    with pytest.raises(ValueError, match="style_space without a style reference"):
        pipe(mix, 44100, style_space=True)
    with pytest.raises(ValueError, match=r"AutoencoderSpectral, holds no style space.*leave style_space out"):
        pipe(mix, 44100, style=mix, style_space=True)
