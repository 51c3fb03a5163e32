"""Style swaps in training: decode latents with the time-mean of others, and compare timbre pairs after a swap."""

from typing import cast

from torch import Tensor

from latentstem.losses import MultiScaleSpectralDistance, log_magnitude_distance
from latentstem.models.autoencoder_spectral import AutoencoderSpectral, AutoencoderSpectralDecoderOutput


def swap_style_means(model: AutoencoderSpectral, audio: Tensor, shift: int = 1) -> AutoencoderSpectralDecoderOutput:
    """Decode latents whose time-mean is that of another item of the batch, as style grounding replaces it.

    The notes should stay those of `audio`. Without training for it, the mean holds much of the pitch, and a style
    brings the notes of its reference along.

    Args:
        model: The autoencoder.
        audio: `(batch, channels, samples)` of whole latent frames.
        shift: Number of items by which the means are rolled along the batch.

    Returns:
        Output of the decoder.
    """
    latents = model.encode(audio, return_dict=False)[0].float()
    mean = latents.mean(-1, keepdim=True)
    return cast(AutoencoderSpectralDecoderOutput, model.decode(latents - mean + mean.roll(shift, dims=0)))


def timbre_swap_loss(model: AutoencoderSpectral, pairs: Tensor, distance: MultiScaleSpectralDistance) -> Tensor:
    """Compute the distance between each stem decoded with the time-mean of its partner, and that partner.

    Two instruments that play the same notes differ in style alone: after a swap of the means each should sound as the
    other, and that sound is known. A loss that asks the encoder for the mean of the decoded sound instead is lowered by
    artefacts: notes double and flutter.

    Args:
        model: The autoencoder.
        pairs: Stems, then the same notes on other instruments in the same order, `(2 * pairs, channels, samples)`.
        distance: Multi-scale spectral distance.

    Returns:
        Sum of the L1 distance of log magnitudes and the spectral distance, a scalar.

    Example:
        >>> import torch
        >>> model = AutoencoderSpectral(channels=16, latent_hidden_channels=16, latent_channels=4)
        >>> pairs = 0.1 * torch.randn(2, 1, 4 * 4096)
        >>> timbre_swap_loss(model, pairs, MultiScaleSpectralDistance(44100, (512,))).shape
        torch.Size([])
    """
    shift = len(pairs) // 2
    target = pairs.roll(shift, dims=0)
    swapped = swap_style_means(model, pairs, shift)
    assert swapped.log_magnitude is not None  # only what is decoded in tiles lacks it
    return log_magnitude_distance(swapped.log_magnitude, model.log_magnitude(target)) + distance(swapped.sample, target)
