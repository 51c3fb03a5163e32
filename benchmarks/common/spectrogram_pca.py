"""The linear rival of the autoencoder: principal components of log-spectrogram patches, one patch a latent frame.

A patch is what one latent stands for: the 8 frames of the log-magnitude spectrogram whose centres lie in 4096 samples,
flattened. As many components as the autoencoder has channels are kept, fitted on training songs. There is no phase in
it. The phase is made up by fast Griffin-Lim (Perraudin, Balazs and Søndergaard, WASPAA 2013), as the autoencoder too
makes up its own; or it is the original's, which says what the magnitudes alone lose and flatters the sound.
"""

from collections.abc import Sequence

import numpy as np
import torch
from einops import rearrange
from sklearn.decomposition import PCA

from latentstem import AutoencoderSpectral
from latentstem.audio import istft, stft

ITERATIONS, MOMENTUM = 32, 0.99
FLOOR = 1e-3
"""60 dB below a full-scale sinusoid, where the autoencoder's own log magnitudes begin."""


class PatchPCA:
    """Principal components of log-spectrogram patches on the frames of an autoencoder.

    Args:
        audios: mono recordings `(samples,)` to fit on.
        autoencoder: whose windows, hops and number of channels are taken over.

    Raises:
        ValueError: if the recordings have fewer patches than the autoencoder has channels.
    """

    def __init__(self, audios: Sequence[np.ndarray], autoencoder: AutoencoderSpectral):
        config = autoencoder.config
        self.hop_length, self.stft_hop_length = config["hop_length"], config["stft_hop_length"]
        self.window_length = config["window_length"]
        patches = np.concatenate([self._patches(self._spectrum(audio)) for audio in audios])
        self.pca = PCA(config["latent_channels"], svd_solver="randomized", random_state=0, copy=False).fit(patches)

    def __call__(self, audio: np.ndarray, own_phase: bool = False) -> np.ndarray:
        """The recording `(samples,)` from its components, with a phase made up or its own."""
        spectrum = self._spectrum(audio)
        patches = self.pca.inverse_transform(self.pca.transform(self._patches(spectrum)))
        logarithms = rearrange(
            torch.from_numpy(patches.astype(np.float32)),
            "patch (frame bin) -> bin (patch frame)",
            frame=self.hop_length // self.stft_hop_length,
        )
        magnitude = (logarithms.exp() - FLOOR).clamp(min=0.0)
        phase = torch.sgn(spectrum) if own_phase else self._made_up(magnitude)
        return self._audio(magnitude * phase)[: len(audio)].numpy()

    def _made_up(self, magnitude: torch.Tensor) -> torch.Tensor:
        """Phase `(bins, frames)`, of unit length, with which the magnitudes nearly belong to a sound."""
        start = torch.rand(magnitude.shape, generator=torch.Generator().manual_seed(0))
        estimate, before = torch.polar(torch.ones_like(magnitude), 2 * torch.pi * start), torch.zeros(())
        for _ in range(ITERATIONS):
            consistent = self._spectrum(self._audio(magnitude * torch.sgn(estimate)).numpy())
            estimate, before = consistent + MOMENTUM * (consistent - before), consistent
        return torch.sgn(estimate)

    def _audio(self, spectrum: torch.Tensor) -> torch.Tensor:
        return istft(spectrum, self.window_length, self.stft_hop_length)

    def _spectrum(self, audio: np.ndarray) -> torch.Tensor:
        padded = np.pad(audio, (0, -len(audio) % self.hop_length))
        return stft(torch.from_numpy(padded), self.window_length, self.stft_hop_length)

    def _patches(self, spectrum: torch.Tensor) -> np.ndarray:
        return rearrange(
            torch.log(spectrum.abs() + FLOOR),
            "bin (patch frame) -> patch (frame bin)",
            frame=self.hop_length // self.stft_hop_length,
        ).numpy()
