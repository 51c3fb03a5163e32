"""Exchanged styles: what style grounding asks of a decoder, and how far it is from playing that."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

from torch import Tensor
from torch.nn.functional import mse_loss

from latentstem.models.autoencoder_spectral import AutoencoderSpectral, AutoencoderSpectralDecoderOutput


def exchanged(model: AutoencoderSpectral, audio: Tensor) -> tuple[Tensor, AutoencoderSpectralDecoderOutput]:
    """Decode latents that took the time-mean of their neighbours in the batch, as style grounding exchanges it.

    The notes still ought to be those of `audio`. Unless that is trained, the mean holds much of the pitch, and a style
    brings the notes of its reference along.

    Args:
        model: The autoencoder.
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

    What it played is encoded again and compared with those. A decoder that has met true latents alone pulls exchanged
    ones back to those it knows. The encoder judges, and learns nothing by it, since it could lower the distance by
    saying less; for that it also takes that what was played comes of latents without a gradient.

    Args:
        model: The autoencoder.
        asked: `(batch, latent_channels, frames)`.
        played: `(batch, channels, samples)`.

    Returns:
        Mean squared distance over the variance of what was asked for, a scalar.
    """
    with _encoder_at_rest(model):
        (heard,) = model.encode(played, return_dict=False)
    asked = asked.detach()
    return mse_loss(heard.float(), asked) / asked.var(dim=(0, 2)).mean()


@contextmanager
def _encoder_at_rest(model: AutoencoderSpectral) -> Iterator[None]:
    """What is encoded meanwhile hands gradients on to the sound, and gives the encoder's weights none."""
    learning = [weight for name, weight in model.named_parameters() if name.startswith("encoder_")]
    learning = [weight for weight in learning if weight.requires_grad]
    for weight in learning:
        weight.requires_grad_(False)
    try:
        yield
    finally:
        for weight in learning:
            weight.requires_grad_(True)
