"""Any autoencoder of audio in the pipeline: here EnCodec, as transformers has it, through forty lines.

python examples/encodec_autoencoder.py

A pipeline wants a diffusers model whose config says `sampling_rate`, `audio_channels` and `hop_length`, whose `encode`
returns `latents` and whose `decode` returns `sample`. diffusers' AutoencoderOobleck needs no adapter. What is made here
from random weights is noise: a net has to be trained on the latents that it is to draw.
"""

from typing import Any, Self

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from diffusers.utils.accelerate_utils import apply_forward_hook
from transformers import EncodecConfig, EncodecModel

from latentstem import (
    AutoencoderSpectralDecoderOutput,
    AutoencoderSpectralEncoderOutput,
    CosineDDIMScheduler,
    RescaledClassifierFreeGuidance,
    StemAccompanimentPipeline,
    StemUNet1DModel,
)


class AutoencoderEncodec(ModelMixin, ConfigMixin):
    """EnCodec without its quantiser: its latents are what the encoder says, `hidden_size` channels, unbounded.

    Build it with `AutoencoderEncodec.wrap(EncodecModel.from_pretrained(...))`.

    Args:
        encodec: Settings of an `EncodecConfig`.
        sampling_rate: Of the audio, in Hz.
        audio_channels: 1 or 2.
        hop_length: Samples of a latent frame.
        latents_mean: Mean of the training data's latents, one a channel; None counts as 0.
        latents_std: Their deviation; None counts as 1.
    """

    @register_to_config
    def __init__(
        self,
        encodec: dict[str, Any],
        sampling_rate: int,
        audio_channels: int,
        hop_length: int,
        latents_mean: list[float] | None = None,
        latents_std: list[float] | None = None,
    ):
        super().__init__()
        self.net = EncodecModel(EncodecConfig(**encodec))

    @classmethod
    def wrap(cls, net: EncodecModel, **statistics: list[float]) -> Self:
        """Takes a model of transformers; those that normalise and cut audio into seconds (48 kHz) are refused."""
        config = net.config
        if config.normalize or config.chunk_length_s is not None:
            raise ValueError("got an EnCodec that works second by second; use one that hears the whole, as at 24 kHz")
        settings = config.to_diff_dict()
        wrapped = cls(settings, config.sampling_rate, config.audio_channels, config.hop_length, **statistics)
        wrapped.net.load_state_dict(net.state_dict())
        return wrapped.eval()

    @apply_forward_hook
    def encode(self, audio: torch.Tensor) -> AutoencoderSpectralEncoderOutput:
        """Encodes `(batch, channels, samples)`."""
        return AutoencoderSpectralEncoderOutput(latents=self.net.encoder(audio))

    @apply_forward_hook
    def decode(self, latents: torch.Tensor) -> AutoencoderSpectralDecoderOutput:
        """Decodes `(batch, hidden_size, frames)`."""
        return AutoencoderSpectralDecoderOutput(sample=self.net.decoder(latents))


def main() -> None:
    torch.manual_seed(0)
    # Trained: EncodecModel.from_pretrained("facebook/encodec_24khz").
    autoencoder = AutoencoderEncodec.wrap(EncodecModel(EncodecConfig(num_filters=4, hidden_size=16)))
    unet = StemUNet1DModel(latent_channels=16, block_out_channels=(32, 32, 32)).eval()
    pipe = StemAccompanimentPipeline(autoencoder, unet, CosineDDIMScheduler(), RescaledClassifierFreeGuidance())
    mix = 0.1 * torch.randn(1, 48_000)
    out = pipe(mix, sampling_rate=24_000, num_inference_steps=4, generator=torch.Generator().manual_seed(0))
    print(f"{out.audios.shape[-1]} samples at {out.sampling_rate} Hz for a mix of {mix.shape[-1]}")


if __name__ == "__main__":
    main()
