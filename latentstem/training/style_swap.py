"""Style swaps in training: decode latents with the time-mean of others, and compare timbre pairs after a swap."""

from typing import cast

from torch import Tensor

from latentstem.losses import MultiScaleSpectralDistance, log_magnitude_distance
from latentstem.models.autoencoder_spectral import AutoencoderSpectral, AutoencoderSpectralDecoderOutput


def swap_style_means(model: AutoencoderSpectral, latents: Tensor, others: Tensor) -> AutoencoderSpectralDecoderOutput:
    """Decode latents whose time-mean is that of others, as style grounding replaces it.

    The notes should stay those of `latents`. Without training for it, the mean holds much of the pitch, and a style
    brings the notes of its reference along.

    Args:
        model: The autoencoder.
        latents: Latents whose notes are kept, `(batch, latent_channels, frames)`.
        others: Latents whose mean is taken, `(batch, latent_channels, frames)`.

    Returns:
        Output of the decoder.
    """
    swapped = latents - latents.mean(-1, keepdim=True) + others.mean(-1, keepdim=True)
    return cast(AutoencoderSpectralDecoderOutput, model.decode(swapped))


def timbre_swap_loss(
    model: AutoencoderSpectral, latents: Tensor, others: Tensor, audio: Tensor, distance: MultiScaleSpectralDistance
) -> Tensor:
    """Compute the distance between stems decoded with the time-mean of their partners, and those partners.

    Two instruments that play the same notes differ in style alone: after a swap of the means each should sound as the
    other, and that sound is known. A loss that asks the encoder for the mean of the decoded sound instead is lowered by
    artefacts: notes double and flutter.

    Args:
        model: The autoencoder.
        latents: Latents of stems, `(batch, latent_channels, frames)`.
        others: Latents of the same notes on other instruments, shaped like `latents`.
        audio: Audio of `others`, `(batch, channels, samples)`.
        distance: Multi-scale spectral distance.

    Returns:
        Sum of the L1 distance of log magnitudes and the spectral distance, a scalar.

    Example:
        >>> import torch
        >>> model = AutoencoderSpectral(channels=16, latent_hidden_channels=16, latent_channels=4)
        >>> stems, partners = 0.1 * torch.randn(2, 2, 1, 4 * 4096)
        >>> latents, others = model.encode(stems).latents, model.encode(partners).latents
        >>> timbre_swap_loss(model, latents, others, partners, MultiScaleSpectralDistance(44100, (512,))).shape
        torch.Size([])
    """
    swapped = swap_style_means(model, latents, others)
    assert swapped.log_magnitude is not None  # only what is decoded in tiles lacks it
    return log_magnitude_distance(swapped.log_magnitude, model.log_magnitude(audio)) + distance(swapped.sample, audio)
