"""Losses of `AutoencoderSpectral`: log magnitudes, multi-scale spectra, and pitch before and after a style swap.

The reconstruction terms are those of arXiv 2402.01412 with the pooled spectral distance of
`latentstem.losses.spectral`; the pitch terms are ours.
"""

from dataclasses import dataclass
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor

from latentstem.audio.pitch import yin
from latentstem.losses import MultiScaleSpectralDistance, log_magnitude_distance, pitch_cross_entropy
from latentstem.models.autoencoder_spectral import AutoencoderSpectral
from latentstem.training.style_swap import swap_style_means


@dataclass(frozen=True)
class ReconstructionLoss:
    """Losses of an autoencoder on batches that begin with mixes and end with stems.

    Args:
        accelerator: Accelerator whose precision the net is run in.
        distance: Multi-scale spectral distance.
        mix_share: Fraction of the items of a batch that are mixes.
        pitch_weight: Weight of the cross entropy between the decoder's pitch and the pitch that YIN finds in the stems.
        swap_pitch_weight: Weight of the same cross entropy after the latents took the time-mean of another stem.

    Example:
        >>> model = AutoencoderSpectral(channels=16, latent_hidden_channels=16, latent_channels=4)
        >>> loss = ReconstructionLoss(Accelerator(cpu=True), MultiScaleSpectralDistance(44100, (512,)), 0.5, 0.0, 0.0)
        >>> decoded, losses = loss(model, 0.1 * torch.randn(2, 1, 4 * 4096))
        >>> decoded.shape, sorted(losses)
        (torch.Size([2, 1, 16384]), ['log_magnitude', 'spectral'])
    """

    accelerator: Accelerator
    distance: MultiScaleSpectralDistance
    mix_share: float
    pitch_weight: float
    swap_pitch_weight: float

    def __call__(self, net: Any, audio: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Encode and decode a batch, and compute its losses.

        Args:
            net: The `AutoencoderSpectral`, or the wrapper that Accelerate made of it.
            audio: Mixes, then stems, `(batch, channels, samples)` of whole latent frames.

        Returns:
            Decoded audio, `(batch, channels, samples)`, and the weighted losses by name, scalars.
        """
        with self.accelerator.autocast():
            output = net(audio)
        model: AutoencoderSpectral = self.accelerator.unwrap_model(net)
        losses = {
            "log_magnitude": log_magnitude_distance(output.log_magnitude, model.log_magnitude(audio)),
            "spectral": self.distance(output.sample, audio),
        }
        # Without oscillators the decoder predicts no pitch.
        if output.pitch is None or not (self.pitch_weight or self.swap_pitch_weight):
            return output.sample, losses
        mixes = round(self.mix_share * len(audio))
        stems, swapped_stems = audio[mixes:], audio[mixes:][: -(-len(audio) // 2)]
        frequency = _frequency(stems, model)
        if self.pitch_weight:
            losses["pitch"] = self.pitch_weight * _pitch_loss(output.pitch[mixes:], frequency, model)
        if self.swap_pitch_weight:
            with self.accelerator.autocast():
                swapped = swap_style_means(model, swapped_stems)
            if swapped.pitch is not None:
                loss = _pitch_loss(swapped.pitch, frequency[: len(swapped_stems)], model)
                losses["swapped_pitch"] = self.swap_pitch_weight * loss
        return output.sample, losses


@torch.no_grad()
def _frequency(audio: Tensor, model: AutoencoderSpectral) -> Tensor:
    """Pitch of stems `(batch, channels, samples)` on the decoder's frames, `(batch, stft_frames)` in Hz."""
    return yin(audio.mean(1), model.config["sampling_rate"], model.config["stft_hop_length"])


def _pitch_loss(logits: Tensor, frequency: Tensor, model: AutoencoderSpectral) -> Tensor:
    """Cross entropy between the decoder's pitch and a given one."""
    assert model.decoder_carriers is not None
    grid = model.decoder_carriers.get_buffer("frequencies")
    return pitch_cross_entropy(logits, frequency, grid[: logits.shape[-1]])
