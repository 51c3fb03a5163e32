"""A whole pipeline of the real classes at tiny size."""

import pytest
import torch

from latentstem import (
    AutoencoderSpectral,
    CosineDDIMScheduler,
    RescaledClassifierFreeGuidance,
    StemAccompanimentPipeline,
    StemUNet1DModel,
)


@pytest.fixture
def build():
    def build(audio_channels=1, **guidance):
        torch.manual_seed(0)
        autoencoder = AutoencoderSpectral(
            audio_channels=audio_channels,
            latent_channels=4,
            channels=8,
            latent_hidden_channels=8,
            carriers=0,
            latents_mean=[0.1, -0.2, 0.3, 0.0],
            latents_std=[0.5, 0.6, 0.4, 0.5],
        )
        unet = StemUNet1DModel(
            latent_channels=4,
            block_out_channels=(8, 16),
            layers_per_block=(1, 1),
            attention_head_dim=8,
            attention_levels=(False, True),
            embedding_dim=16,
        )
        for parameter in unet.conv_out.parameters():  # zero at the start of training: nothing would be heard
            torch.nn.init.normal_(parameter, std=0.3)
        guider = RescaledClassifierFreeGuidance(**guidance)
        pipe = StemAccompanimentPipeline(autoencoder.eval(), unet.eval(), CosineDDIMScheduler(), guider)
        pipe.set_progress_bar_config(disable=True)
        return pipe

    return build


@pytest.fixture
def pipe(build):
    return build()


@pytest.fixture
def mix():
    return 0.2 * torch.randn(1, 9000, generator=torch.Generator().manual_seed(5))
