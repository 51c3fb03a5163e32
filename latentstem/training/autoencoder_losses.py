"""Losses of `AutoencoderSpectral`: spectra, the energy in bands, and pitch and timbre before and after a style swap.

The reconstruction terms are those of arXiv 2402.01412 with the pooled spectral distance of
`latentstem.losses.spectral` and the band energies of `latentstem.losses.energy`; the others are ours.
"""

from dataclasses import dataclass
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor

from latentstem.audio.pitch import yin
from latentstem.losses import (
    BandEnergyDistance,
    BandFlatnessDistance,
    MultiScaleSpectralDistance,
    PartialDistance,
    log_magnitude_distance,
    pitch_cross_entropy,
)
from latentstem.models.autoencoder_spectral import AutoencoderSpectral
from latentstem.training.style_swap import swap_style_means, timbre_swap_loss


@dataclass(frozen=True)
class AutoencoderLosses:
    """Losses of an autoencoder on batches that begin with mixes and end with stems.

    Args:
        accelerator: Accelerator whose precision the net is run in.
        distance: Multi-scale spectral distance.
        energy: Distance of the energy in bands.
        flatness: Distance of the spectral flatness in bands.
        partials: Distance of the strengths of partials, by the pitch that YIN finds in the stems.
        energy_weight: Weight of the distance of the energy in bands.
        flatness_weight: Weight of the distance of the spectral flatness in bands.
        partial_weight: Weight of the distance of the strengths of partials.
        pitch_weight: Weight of the cross entropy between the decoder's pitch and the pitch that YIN finds in the stems.
        swap_pitch_weight: Weight of the same cross entropy after the latents took the time-mean of another stem.
        timbre_swap_weight: Weight of the timbre-swap loss.

    Example:
        >>> model = AutoencoderSpectral(channels=16, latent_hidden_channels=16, latent_channels=4)
        >>> distances = MultiScaleSpectralDistance(44100, (512,)), BandEnergyDistance(), BandFlatnessDistance()
        >>> losses_of = AutoencoderLosses(Accelerator(cpu=True), *distances, PartialDistance(), energy_weight=1.0)
        >>> decoded, losses = losses_of(model, 0.1 * torch.randn(2, 1, 4 * 4096), mixes=1)
        >>> decoded.shape, sorted(losses)
        (torch.Size([2, 1, 16384]), ['energy', 'log_magnitude', 'spectral'])
    """

    accelerator: Accelerator
    distance: MultiScaleSpectralDistance
    energy: BandEnergyDistance
    flatness: BandFlatnessDistance
    partials: PartialDistance
    energy_weight: float = 0.0
    flatness_weight: float = 0.0
    partial_weight: float = 0.0
    pitch_weight: float = 0.0
    swap_pitch_weight: float = 0.0
    timbre_swap_weight: float = 0.0

    def __call__(self, net: Any, audio: Tensor, mixes: int, paired: bool = False) -> tuple[Tensor, dict[str, Tensor]]:
        """Encode and decode a batch, and compute its losses.

        Args:
            net: The `AutoencoderSpectral`, or the wrapper that Accelerate made of it.
            audio: Mixes, then stems, `(batch, channels, samples)` of whole latent frames.
            mixes: Number of mixes; the losses of pitch and timbre take the stems alone.
            paired: Whether the stems end with the partners of those they begin with, in equal order, and the
                timbre-swap loss is wanted.

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
        if self.energy_weight:
            losses["energy"] = self.energy_weight * self.energy(output.sample, audio)
        if self.flatness_weight:
            losses["flatness"] = self.flatness_weight * self.flatness(output.sample, audio)
        latents, stems = output.latents[mixes:].float(), audio[mixes:]
        # Without oscillators the decoder predicts no pitch.
        predicts = output.pitch is not None and bool(self.pitch_weight or self.swap_pitch_weight)
        frequency = _frequency(stems, model) if len(stems) and (predicts or self.partial_weight) else None
        if self.partial_weight and frequency is not None:
            losses["partials"] = self.partial_weight * self.partials(output.sample[mixes:], stems, frequency)
        if predicts and output.pitch is not None and frequency is not None:
            if self.pitch_weight:
                losses["pitch"] = self.pitch_weight * _pitch_loss(output.pitch[mixes:], frequency, model)
            if self.swap_pitch_weight:
                half = -(-len(stems) // 2)
                with self.accelerator.autocast():
                    swapped = swap_style_means(model, latents[:half], latents.roll(1, dims=0)[:half])
                if swapped.pitch is not None:
                    loss = _pitch_loss(swapped.pitch, frequency[:half], model)
                    losses["swapped_pitch"] = self.swap_pitch_weight * loss
        if paired and self.timbre_swap_weight:
            (own, others), (_, partners) = latents.chunk(2), stems.chunk(2)
            with self.accelerator.autocast():
                loss = timbre_swap_loss(model, own, others, partners, self.distance)
            losses["timbre_swap"] = self.timbre_swap_weight * loss
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
