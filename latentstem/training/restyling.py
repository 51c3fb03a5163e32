"""Exchanged styles: what style grounding asks of a decoder, and how far it is from playing that."""

from typing import cast

from torch import Tensor
from torch.nn.functional import mse_loss

from latentstem.models.autoencoder_spectral import AutoencoderSpectral, AutoencoderSpectralDecoderOutput
from latentstem.sampling.latents import normalize_latents


def exchanged(model: AutoencoderSpectral, audio: Tensor) -> tuple[Tensor, AutoencoderSpectralDecoderOutput]:
    """Decode latents that took the time-mean of their neighbours in the batch, as style grounding exchanges it.

    The notes still ought to be those of `audio`. Unless that is trained, the mean holds much of the pitch, and a style
    brings the notes of its reference along.

    Args:
        model: With latent statistics.
        audio: `(batch, channels, samples)`, whole latent frames.

    Returns:
        The latents `(batch, latent_channels, frames)`, and what the decoder makes of them.
    """
    latents = model.encode(audio, return_dict=False)[0].float()
    mean = latents.mean(-1, keepdim=True)
    asked = latents - mean + mean.roll(1, dims=0)
    return asked, cast(AutoencoderSpectralDecoderOutput, model.decode(asked))


def restyling_distance(model: AutoencoderSpectral, asked: Tensor, played: Tensor) -> Tensor:
    """How far a decoder is from playing the latents it was asked for.

    What it played is encoded again and compared with those, in standard deviations of the latents. A decoder that has
    met true latents alone pulls exchanged ones back to those it knows.

    Args:
        model: With latent statistics.
        asked: `(batch, latent_channels, frames)`.
        played: `(batch, channels, samples)`.

    Returns:
        Mean squared distance, a scalar.
    """
    (heard,) = model.encode(played, return_dict=False)
    return mse_loss(normalize_latents(heard.float(), model.config), normalize_latents(asked.detach(), model.config))
