"""Autoencoder validation: losses, and agreement of pitch before and after a round trip, on held-out tracks."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from latentstem.data.stems.crops import StemCrops
from latentstem.data.stems.folder import StemFolder
from latentstem.evaluation.pitch import track_agreement, track_pitch
from latentstem.models.autoencoder_spectral import AutoencoderSpectral
from latentstem.plotting.spectrogram import write_preview


class RoundTripValidation:
    """Validation of an autoencoder on crops that are read, and whose pitch is tracked, once.

    Args:
        root: Folder of tracks.
        target: Name of the stem.
        crop_samples: Length in samples of the crops for the losses.
        mix_share: Fraction of these crops that are mixes instead of stems.
        sampling_rate: Sampling rate of the autoencoder in Hz.
        channels: Audio channels of the autoencoder; pitch is tracked in the mean of the channels.
        tracks: Number of crops for the losses, and greatest number of crops for the pitch.
        seconds: Length in seconds of the crops for the pitch.

    Raises:
        latentstem.data.stems.layouts.StemError: If the folder holds no usable track.

    Example:
        >>> validation = RoundTripValidation(root, "bass", 163840, 0.25, 44100)  # doctest: +SKIP
        >>> validation(model, losses, Path("previews/0001000"))  # doctest: +SKIP
        {'validation_loss': 0.874, 'pitch_agreement': 0.97}
    """

    def __init__(
        self,
        root: Path,
        target: str,
        crop_samples: int,
        mix_share: float,
        sampling_rate: int,
        channels: int = 1,
        tracks: int = 12,
        seconds: float = 6.0,
    ):
        folder = StemFolder(root, target, channels=channels, sampling_rate=sampling_rate)
        crops, mixes = StemCrops(folder, crop_samples, seed=0), round(mix_share * tracks)
        self.audio = torch.stack([crops[index][index >= mixes] for index in range(tracks)])
        crops = StemCrops(folder, int(seconds * sampling_rate), seed=0)
        self.stems = [crops[index][1] for index in range(min(tracks, len(folder.tracks)))]
        self.pitches = [track_pitch(stem.mean(0).numpy(), sampling_rate) for stem in self.stems]
        self.sampling_rate = sampling_rate

    def __call__(
        self,
        model: AutoencoderSpectral,
        losses: Callable[[AutoencoderSpectral, Tensor], Mapping[str, Tensor]],
        preview: Path,
    ) -> dict[str, float]:
        """Validate a net, and write one of the round trips as a preview.

        Args:
            model: Net in evaluation mode.
            losses: Function from a net and audio `(batch, channels, samples)` to losses by name.
            preview: Path of the files of the preview, without a suffix.

        Returns:
            `validation_loss`, the sum of the losses, and `pitch_agreement`.
        """
        total = sum(losses(model, self.audio.to(model.device)).values())
        decoded = [model(stem[None].to(model.device)).sample[0].cpu() for stem in self.stems]
        agreements = [
            track_agreement(pitch, track_pitch(audio.mean(0).numpy(), self.sampling_rate))
            for pitch, audio in zip(self.pitches, decoded, strict=True)
        ]
        write_preview(preview, {"stem": self.stems[-1], "decoded": decoded[-1]}, self.sampling_rate)
        return {"validation_loss": float(total), "pitch_agreement": float(np.mean(agreements))}
