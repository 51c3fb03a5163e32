"""A linear baseline of the autoencoder: PCA of log-spectrogram patches, one patch a latent frame.

A patch covers one latent frame: the 8 frames of the log-magnitude spectrogram whose centres lie in 4096 samples,
flattened. It keeps as many components as the autoencoder has channels, fitted on training songs. The components have no
phase. It is estimated by fast Griffin-Lim (Perraudin, Balazs and Søndergaard, WASPAA 2013), comparable to the generated
phase of the autoencoder; or it is the original phase, which shows what the magnitudes alone lose.
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
        audios: Mono recordings `(samples,)` to fit on.
        autoencoder: Autoencoder that gives window, hops and number of components.

    Raises:
        ValueError: If the recordings have fewer patches than the autoencoder has channels.
    """

    def __init__(self, audios: Sequence[np.ndarray], autoencoder: AutoencoderSpectral):
        config = autoencoder.config
        self.hop_length, self.stft_hop_length = config["hop_length"], config["stft_hop_length"]
        self.window_length = config["window_length"]
        patches = np.concatenate([self._patches(self._spectrum(audio)) for audio in audios])
        self.pca = PCA(config["latent_channels"], svd_solver="randomized", random_state=0, copy=False).fit(patches)

    def __call__(self, audio: np.ndarray, own_phase: bool = False) -> np.ndarray:
        """Reconstruct a recording `(samples,)` from its components, with an estimated phase or its own."""
        spectrum = self._spectrum(audio)
        patches = self.pca.inverse_transform(self.pca.transform(self._patches(spectrum)))
        logarithms = rearrange(
            torch.from_numpy(patches.astype(np.float32)),
            "patch (frame bin) -> bin (patch frame)",
            frame=self.hop_length // self.stft_hop_length,
        )
        magnitude = (logarithms.exp() - FLOOR).clamp(min=0.0)
        phase = torch.sgn(spectrum) if own_phase else self._estimate_phase(magnitude)
        return self._audio(magnitude * phase)[: len(audio)].numpy()

    def _estimate_phase(self, magnitude: torch.Tensor) -> torch.Tensor:
        """Estimate a phase `(bins, frames)`, of unit length, that is consistent with the magnitudes."""
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
