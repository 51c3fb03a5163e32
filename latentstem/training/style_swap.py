"""What style grounding asks of a decoder, and how far it is from the sound that ought to come of it."""

from typing import cast

from torch import Tensor

from latentstem.losses import MultiScaleSpectralDistance, log_magnitude_distance
from latentstem.models.autoencoder_spectral import AutoencoderSpectral, AutoencoderSpectralDecoderOutput


def swap_style_means(model: AutoencoderSpectral, audio: Tensor, places: int = 1) -> AutoencoderSpectralDecoderOutput:
    """Decode latents that took the time-mean of others in the batch, as style grounding exchanges it.

    The notes still ought to be those of `audio`. Unless that is trained, the mean holds much of the pitch, and a style
    brings the notes of its reference along.

    Args:
        model: The autoencoder.
        audio: `(batch, channels, samples)`, whole latent frames.
        places: How far on in the batch each mean goes.

    Returns:
        What the decoder makes of them.
    """
    latents = model.encode(audio, return_dict=False)[0].float()
    mean = latents.mean(-1, keepdim=True)
    return cast(AutoencoderSpectralDecoderOutput, model.decode(latents - mean + mean.roll(places, dims=0)))


def timbre_swap_loss(model: AutoencoderSpectral, twins: Tensor, distance: MultiScaleSpectralDistance) -> Tensor:
    """How far a sound that took its twin's time-mean is from its twin.

    Two instruments that play the same notes differ in nothing but style: with its twin's mean each is to become the
    other, and what that sounds like is known. A distance that asks the encoder instead whether it hears the mean that
    was asked for is lowered by sounds that only please the encoder: notes double and flutter.

    Args:
        model: The autoencoder.
        twins: The basses, then their twins in the same order, `(2 * pairs, channels, samples)`.
        distance: The multi-scale spectral distance.

    Returns:
        The L1 distance of log magnitudes and the spectral distance, added: a scalar.

    Example:
        >>> import torch
        >>> model = AutoencoderSpectral(channels=16, latent_hidden_channels=16, latent_channels=4)
        >>> twins = 0.1 * torch.randn(2, 1, 4 * 4096)
        >>> timbre_swap_loss(model, twins, MultiScaleSpectralDistance(44100, (512,))).shape
        torch.Size([])
    """
    pairs = len(twins) // 2
    wanted = twins.roll(pairs, dims=0)
    played = swap_style_means(model, twins, pairs)
    assert played.log_magnitude is not None  # only what is decoded in tiles lacks it
    return log_magnitude_distance(played.log_magnitude, model.log_magnitude(wanted)) + distance(played.sample, wanted)
